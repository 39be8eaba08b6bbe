"""The end of a child of `multiprocessing`: it calls `os._exit`, so neither `atexit` nor `logging` acts.

`multiprocessing` runs finalizers before that. `concurrent.futures` uses its processes, Celery those of
`billiard`: its workers run no finalizers, but Celery sends a signal. What is not loaded is not imported: a
process without `multiprocessing` is no child of it.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any, Final

_LAST: Final = -1_000_000
"""The priority among finalizers: the others may still log."""


def call_at_child_exit(method: Any) -> None:  # noqa: ANN401 (a bound method without arguments)
    """Call a method, of an object that may be gone by then, when this process ends as a child."""
    weak: weakref.WeakMethod[Any] = weakref.WeakMethod(method)

    def call(*_: object, **__: object) -> None:
        if _is_child() and (bound := weak()) is not None:
            bound()

    owner: Any = method.__self__
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, call, exitpriority=_LAST)
        # A spawned child imports the program's main module first, and then forgets all finalizers.
        util.register_after_fork(owner, lambda _: util.Finalize(None, call, exitpriority=_LAST))
    signals: Any = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(call, weak=False)


def is_terminable_child() -> bool:
    """Return whether this process is a child that its parent may end with SIGTERM, as `Pool` does."""
    process: Any = sys.modules.get("multiprocessing.process")
    return process is not None and _is_child() and bool(process.current_process().daemon)


def _is_child() -> bool:
    names = ("multiprocessing.process", "billiard.process")
    modules: list[Any] = [sys.modules[name] for name in names if name in sys.modules]
    return any(type(module.current_process()).__name__ != "_MainProcess" for module in modules)
