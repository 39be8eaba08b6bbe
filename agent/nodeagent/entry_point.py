"""The entry point of the agent: the duties of PID 1 first, then the imports, which take longer."""

from nodelog.init_process import fork_if_first


def nodeagent() -> None:
    """Run nodeagent on the arguments of the process."""
    fork_if_first()
    from nodeagent.cli import main  # noqa: PLC0415 (what this file is for)

    main()
