"""Which containers have ended, and with what: heard from the engine."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

FORM = '{{.ID}} {{index .Actor.Attributes "exitCode"}}'


class Deaths:
    """The ends of all containers with a label, as a context."""

    def __init__(self, label: str) -> None:
        """Prepare."""
        self._codes: dict[str, int] = {}
        since = f"--since={time.time():.0f}"  # the engine tells what was before it is asked, too
        filters = ["--filter=event=die", f"--filter=label={label}"]
        self._command = ["docker", "events", since, *filters, f"--format={FORM}"]

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def code(self, container: str) -> int | None:
        """Give the exit code of a container that has ended, None for one that runs."""
        return self._codes.get(container)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                container, code = line.split()
                self._codes[container] = int(code)
