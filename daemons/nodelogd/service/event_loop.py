"""The event loop of a daemon: uvloop, and the rule that a fault of the program ends the process."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvloop

T = TypeVar("T")

LOG: Final = logging.getLogger(__name__)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the main coroutine of a daemon on uvloop and return its result.

    An uncaught exception in a thread or in a callback of the loop ends the process: with a part missing, it
    would look alive, accept lines and never write them.
    """
    threading.excepthook = _exit_on_thread_failure
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(_exit_on_callback_failure)
        return runner.run(main())


def _exit_on_thread_failure(failure: threading.ExceptHookArgs) -> None:
    _exit(f"thread {failure.thread.name if failure.thread else '?'}", failure.exc_value)


def _exit_on_callback_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if "handle" not in context:  # not a callback: a task that nobody awaited, a transport torn down
        loop.default_exception_handler(context)
        return
    _exit("the event loop", context.get("exception"))


def _exit(where: str, error: BaseException | None) -> None:
    LOG.critical("a fault in %s: %r; exiting, what is not written yet is lost", where, error, exc_info=error)
    os._exit(os.EX_SOFTWARE)
