"""How a daemon runs and ends: its loop, its signals, its limit of open files."""

import asyncio
import logging
import os
import resource
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

import uvloop

T = TypeVar("T")

LOG: Final = logging.getLogger(__name__)
ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the main coroutine of a daemon on uvloop and return its result.

    A fault of the program itself, in a thread or in a callback of the loop, ends the process: with a part
    missing it would look alive, take lines and never write them.
    """
    threading.excepthook = _thread_failed
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(_callback_failed)
        return runner.run(main())


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    _fail(f"thread {failed.thread.name if failed.thread else '?'}", failed.exc_value)


def _callback_failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if "handle" not in context:  # no callback: a task nobody waited for, a transport that was torn down
        loop.default_exception_handler(context)
        return
    _fail("the event loop", context.get("exception"))


def _fail(where: str, error: BaseException | None) -> None:
    LOG.critical("a fault in %s: %r; exiting, what is not written yet is lost", where, error, exc_info=error)
    os._exit(os.EX_SOFTWARE)


@contextmanager
def signals(hangup: Callable[[], None]) -> Generator[asyncio.Event]:
    """Give the event that SIGTERM and SIGINT set; SIGHUP calls `hangup` in the loop.

    A second signal ends the process at once, also when the loop is stalled: an operator who asks twice has
    waited long enough. Only in the main thread, with the loop running.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    asked: list[int] = []

    def ending(number: int, _: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            name = signal.Signals(number).name
            LOG.warning("%s while ending: exiting at once, what is not written yet is lost", name)
            os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGHUP)}
    loop.add_signal_handler(signal.SIGHUP, hangup)
    for number in ENDING:
        # The loop's own handler does nothing but wake the loop, which the signal does all the same with ours
        # in its place; ours runs at the next byte code, whatever the loop is busy with.
        loop.add_signal_handler(number, stop.set)
        signal.signal(number, ending)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit of open files to the hard one and return how many of the `wanted` there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        LOG.warning("cannot raise the limit of open files from %d to %d: %s", soft, hard, error)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
