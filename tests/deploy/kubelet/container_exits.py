"""Which containers have ended, and with which exit codes, from the events of the engine."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

FORMAT = '{{.ID}} {{index .Actor.Attributes "exitCode"}}'


class ContainerExits:
    """Records the exit codes of all containers with a label while the block runs."""

    def __init__(self, label: str) -> None:
        """Prepare; the block starts it."""
        self._codes: dict[str, int] = {}
        since = f"--since={time.time():.0f}"  # the engine also reports events before the call
        filters = ["--filter=event=die", f"--filter=label={label}"]
        self._command = ["docker", "events", since, *filters, f"--format={FORMAT}"]

    def __enter__(self) -> Self:
        """Start listening."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def exit_code(self, container: str) -> int | None:
        """Return the exit code of a container, or None while it runs."""
        return self._codes.get(container)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                container, code = line.split()
                self._codes[container] = int(code)
