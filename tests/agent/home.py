"""A child of a test, and what is known of it."""

from pathlib import Path

from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics
from nodeagent.supervision.child_process import Child


class Home:
    """A child of this test, and what is known of it."""

    def __init__(self, *command: str) -> None:
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        self.child = Child("it", command, self.metrics, self.findings)

    @property
    def ends(self) -> float | None:
        """How often it ended unasked."""
        return self.metrics.registry.get_sample_value("nodelog_agent_child_ends_total", {"child": "it"})

    @property
    def process(self) -> int | None:
        """Its number, if it runs."""
        found = self.child.status()["process"]
        assert found is None or isinstance(found, int)
        return found


def executes(home: Home, name: str) -> bool:
    """Tell whether the leash has become the program."""
    try:
        return f"({name})" in Path(f"/proc/{home.process}/stat").read_text()
    except OSError:
        return False
