"""Programs with threads and child processes; the argument says which. Prints how many lines were logged."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor

from program_logging import LINES, configure, log_lines  # type: ignore[import-not-found]

from nodelog import AsyncShipper

CHILDREN = 3


def plain() -> int:
    """Log in one thread."""
    configure()
    log_lines("main")
    return 1


def threads() -> int:
    """Log in some threads at a time."""
    configure()
    workers = [threading.Thread(target=log_lines, args=(number,)) for number in range(CHILDREN)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return CHILDREN


def fork() -> int:
    """Log in forked children, which end as children of their kind do."""
    configure()
    log_lines("parent")
    for number in range(CHILDREN):
        if not os.fork():
            log_lines(number)
            logging.shutdown()
            os._exit(0)
    for _ in range(CHILDREN):
        os.wait()
    return CHILDREN + 1


def child(number: int) -> None:
    """Log in a child that inherits nothing."""
    configure(one_file_per_process=True)
    log_lines(number)


def start(method: str) -> int:
    """Log in children of `multiprocessing` that a method starts."""
    context = multiprocessing.get_context(method)
    children = [context.Process(target=child, args=(number,)) for number in range(CHILDREN)]  # type: ignore[attr-defined]
    for process in children:
        process.start()
    for process in children:
        process.join()
    return CHILDREN


def pool() -> int:
    """Log in the children of a Pool, which ends them with SIGTERM."""
    configure()
    with multiprocessing.get_context("fork").Pool(2) as workers:
        workers.map(log_lines, range(CHILDREN), chunksize=1)
    return CHILDREN


def executor() -> int:
    """Log in the children of a ProcessPoolExecutor."""
    configure()
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as workers:
        list(workers.map(log_lines, range(CHILDREN)))
    return CHILDREN


def asyncio_cancelled() -> int:
    """Log with an AsyncShipper in tasks that are all cancelled before it is closed."""

    async def work(shipper: AsyncShipper, who: int) -> None:
        for number in range(LINES):
            await shipper.send(f"{os.environ['CELL']} {who} {number}")
        await asyncio.Event().wait()

    async def main() -> None:
        spool = os.environ.get("SPOOL")
        async with AsyncShipper("127.0.0.1", int(os.environ["PORT"]), spool=spool) as shipper:
            for who in range(CHILDREN):
                asyncio.create_task(work(shipper, who))  # noqa: RUF006 (all tasks are found below)
            await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    asyncio.run(main())
    return CHILDREN


def sub_interpreter() -> int:
    """Log in a sub-interpreter, which cannot have a thread."""
    import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]  # noqa: PLC0415

    code = f"import sys; sys.path[:] = {sys.path}; import program_logging as p; p.configure(); p.log_lines(0)"
    interpreter = interpreters.create()
    interpreters.run_string(interpreter, code)
    interpreters.destroy(interpreter)
    return 1


def main() -> None:
    """Run the program that the argument names."""
    warnings.simplefilter("ignore", DeprecationWarning)  # of fork where there are threads
    kind = sys.argv[1]
    parts = start(kind) if kind in {"spawn", "forkserver"} else globals()[kind]()
    sys.stdout.write(f"{parts * LINES}\n")


if __name__ == "__main__":
    main()
