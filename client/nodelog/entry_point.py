"""The entry point of `nodelog`: the duties of PID 1 first, then the imports, which take longer."""

import sys

from nodelog.init_process import fork_if_first


def nodelog() -> None:
    """Run the command on the arguments of the process."""
    fork_if_first()
    from nodelog.cli import main  # noqa: PLC0415 (what this file is for)

    sys.exit(main())
