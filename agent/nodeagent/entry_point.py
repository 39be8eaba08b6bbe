"""The entry point `nodeagent`: the duties of PID 1 first; one line if its extra is not installed."""

from nodelogd.entry_points import run_main


def nodeagent() -> None:
    """Run nodeagent on the arguments of the process."""
    run_main("nodeagent", "nodeagent.cli", extra="agent")
