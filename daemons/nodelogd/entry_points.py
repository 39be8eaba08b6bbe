"""The entry points of the daemons: the duties of PID 1 first, then the imports, which take longer."""

from nodelog.init_process import fork_if_first


def logd() -> None:
    """Run logd on the arguments of the process."""
    fork_if_first()
    from nodelogd.collector.cli import main  # noqa: PLC0415 (what this file is for)

    main()


def logcd() -> None:
    """Run logcd on the arguments of the process."""
    fork_if_first()
    from nodelogd.compressor.cli import main  # noqa: PLC0415 (what this file is for)

    main()
