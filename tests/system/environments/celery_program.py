"""A Celery application whose tasks log one line each; its broker is a folder."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery  # type: ignore[import-untyped]
from celery.signals import setup_logging  # type: ignore[import-untyped]
from program_logging import configure, log_once  # type: ignore[import-not-found]

folder = Path(os.environ["FOLDER"])
folders = {name: str(folder) for name in ("data_folder_in", "data_folder_out")}
app = Celery("celery_program", broker="filesystem://")
app.conf.broker_transport_options = {**folders, "control_folder": str(folder)}
app.conf.worker_enable_remote_control = False
app.conf.broker_connection_retry_on_startup = True


@setup_logging.connect  # type: ignore[untyped-decorator]
def configure_logging(**_: object) -> None:
    """Configure logging in place of Celery."""
    configure()


@app.task  # type: ignore[untyped-decorator]
def work(name: str) -> None:
    """Log a line."""
    log_once(name)


if __name__ == "__main__":
    for number in range(int(os.environ["TASKS"])):
        work.delay(f"task-{number}")
