"""The entry points `logd` and `logcd`: the duties of PID 1 first, then the imports, which take longer.

`pip install nodelog` also installs these scripts, but only the client's modules have all that they need then:
without their dependencies, one line says which extra to install.
"""

import sys
from importlib import import_module
from typing import NoReturn

from nodelog.init_process import fork_if_first

_OWN_PACKAGES = {"nodeagent", "nodelog", "nodelogd"}


def logd() -> None:
    """Run logd on the arguments of the process."""
    run_main("logd", "nodelogd.collector.cli", extra="node")


def logcd() -> None:
    """Run logcd on the arguments of the process."""
    run_main("logcd", "nodelogd.compressor.cli", extra="node")


def run_main(program: str, module: str, *, extra: str) -> None:
    """Call `main` of a module; exit with code 2 and one line if a package of `extra` is not installed."""
    fork_if_first()
    try:
        main = import_module(module).main
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OWN_PACKAGES:
            raise
        _exit_without(program, missing, extra)
    main()


def _exit_without(program: str, missing: str, extra: str) -> NoReturn:
    text = f"{program} needs the extra \"{extra}\" ({missing} is missing): pip install 'nodelog[{extra}]'"
    sys.stderr.write(f"{text}\n")
    sys.exit(2)
