"""A supervised child of a test, with its metrics and problems."""

from pathlib import Path

from nodeagent.metrics import Metrics
from nodeagent.problems import Problems
from nodeagent.supervision.child_process import ChildProcess
from nodeagent.supervision.liveness import Liveness


class SupervisedChild:
    """A child that runs `command`, named "it"."""

    def __init__(self, *command: str, liveness: Liveness | None = None) -> None:
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        self.child = ChildProcess("it", command, self.metrics, self.problems, liveness)

    @property
    def ends(self) -> float | None:
        """How often it ended without being stopped."""
        return self.metrics.registry.get_sample_value("nodelog_agent_child_ends_total", {"child": "it"})

    @property
    def process(self) -> int | None:
        """Its process ID while it runs."""
        found = self.child.status()["process"]
        assert found is None or isinstance(found, int)
        return found


def executes(supervised: SupervisedChild, name: str) -> bool:
    """Return whether the parent death guard has executed the program."""
    try:
        return f"({name})" in Path(f"/proc/{supervised.process}/stat").read_text()
    except OSError:
        return False
