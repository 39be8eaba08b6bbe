"""The console script `nodeagent`: without its dependencies, one line says which extra to install."""

from nodelogd.console_scripts import run_main


def nodeagent() -> None:
    """Run nodeagent with the arguments of the process."""
    run_main("nodeagent", "nodeagent.cli", extra="agent")
