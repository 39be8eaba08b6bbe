from __future__ import annotations

import logging
import logging.config
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST, unacknowledged
from tests.waiting import PATIENCE

import nodelog
from nodelog import NodeLogHandler
from nodelog.shipping.settings import MIN_MAX_BYTES
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def logger() -> Generator[logging.Logger]:
    """Return a logger that nothing else uses, least of all pytest."""
    logger = logging.Logger("app")  # noqa: LOG001 (a logger outside of the tree)
    yield logger
    for handler in logger.handlers:
        handler.close()


def configured(port: int, **options: object) -> NodeLogHandler:
    """Configure logging as programs do, and return the handler."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"short": {"format": "%(levelname)s %(message)s"}},
            "handlers": {
                "nodelog": {
                    "class": "nodelog.NodeLogHandler",
                    "formatter": "short",
                    "level": "INFO",
                    "host": HOST,
                    "port": port,
                    **options,
                }
            },
            "loggers": {"configured": {"handlers": ["nodelog"], "level": "DEBUG"}},
        }
    )
    (handler,) = logging.getLogger("configured").handlers
    assert isinstance(handler, NodeLogHandler)
    return handler


def test_a_configuration_by_class_path_works(collector: FakeCollector, tmp_path: Path) -> None:
    handler = configured(collector.port, spool=str(tmp_path / "spool"), full="drop-newest", timeout=0.1)
    logger = logging.getLogger("configured")
    logger.info("one of %d", 2)
    logger.debug("not this one")
    try:
        raise KeyError("why")  # noqa: TRY301 (to log it)
    except KeyError:
        logger.exception("it failed")
    assert handler.shipper.flush(PATIENCE) == 0
    logger.removeHandler(handler)
    handler.close()
    first, second = collector.lines
    assert first == b"INFO one of 2"
    assert second.startswith(b"ERROR it failed\\nTraceback (most recent call last):\\n")
    assert second.endswith(b"KeyError: 'why'")


def test_a_configuration_without_a_host_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST_IP", raising=False)
    monkeypatch.delenv("HOST_IPS", raising=False)
    with pytest.raises(ValueError, match="Unable to configure handler 'nodelog'") as error:
        configured(1, host=None)
    assert "fieldPath: status.hostIP" in str(error.value.__cause__)


def test_a_record_that_cannot_be_formatted_is_counted_and_does_not_raise(
    collector: FakeCollector,
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = NodeLogHandler(HOST, collector.port)
    logger.addHandler(handler)
    logger.warning("%d", "not a number")
    assert "TypeError" in capsys.readouterr().err
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.warning("%d", "not a number")
    assert not capsys.readouterr().err
    logger.warning("good")
    assert handler.errors == 2
    assert handler.shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"good"]


@pytest.mark.parametrize("spool", [None, "spool"])
def test_a_record_after_close_opens_the_handler_again(
    collector: FakeCollector, logger: logging.Logger, tmp_path: Path, spool: str | None
) -> None:
    handler = NodeLogHandler(HOST, collector.port, spool=spool and tmp_path / spool)
    logger.addHandler(handler)
    for number in range(3):
        logger.warning("%d", number)
        handler.close()
        assert collector.closed == number + 1
    assert collector.lines == [b"0", b"1", b"2"]
    assert handler.errors == 0


def test_another_configuration_of_logging_costs_no_record(
    collector: FakeCollector, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = NodeLogHandler(HOST, collector.port)
    logger.addHandler(handler)
    logger.warning("before")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert collector.closed == 1
    logger.warning("after")
    assert handler.shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"before", b"after"]
    assert not capsys.readouterr().err


def test_close_gives_up_no_record_in_memory_while_the_program_runs(logger: logging.Logger) -> None:
    messages: list[str] = []
    collector = FakeCollector().start()
    collector.crash()
    handler = NodeLogHandler(HOST, collector.port, exit_timeout=0.01, tell=messages.append)
    logger.addHandler(handler)
    logger.warning("before")
    handler.close()
    assert messages[-1] == "1 lines are not acknowledged; they wait in memory while the program runs"
    logger.warning("after")
    with collector:
        assert handler.shipper.flush(PATIENCE) == 0
        assert collector.lines == [b"before", b"after"]


@pytest.mark.parametrize("full", ["block", "drop-newest"])
def test_a_full_spool_drops_counts_and_reports(
    collector: FakeCollector, logger: logging.Logger, full: str
) -> None:
    collector.reads = False
    handler = NodeLogHandler(HOST, collector.port, full=full, max_bytes=MIN_MAX_BYTES)
    logger.addHandler(handler)
    for _ in range(20):
        logger.warning("x" * 65_535)
    collector.reads = True
    assert handler.shipper.flush(PATIENCE) == 0
    logger.warning("room again")
    assert handler.shipper.flush(PATIENCE) == 0
    assert collector.lines[16:] == [b"nodelog: dropped 4 lines (spool full)", b"room again"]
    assert handler.shipper.stats.dropped == 4
    assert handler.errors == 0


def test_a_filter_may_stop_a_record(collector: FakeCollector, logger: logging.Logger) -> None:
    handler = NodeLogHandler(HOST, collector.port, level="INFO")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    logger.addHandler(handler)
    logger.warning("secret")
    logger.warning("public")
    assert handler.shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"public"]


def test_a_filter_may_return_another_record(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = NodeLogHandler(HOST, collector.port)
    other = logging.makeLogRecord({"msg": "the other"})
    monkeypatch.setattr(handler, "filter", lambda _: other)  # as it can since Python 3.12
    assert handler.handle(logging.makeLogRecord({"msg": "the one"}))
    handler.close()
    assert collector.lines == [b"the other"]


PROGRAM = """
import logging, sys
import nodelog.shipping.process.shipping_thread
from nodelog import NodeLogHandler
nodelog.shipping.process.shipping_thread.GRACE_SECONDS = 20.0  # on a busy machine the disk is slow, not stuck
port, spool, timeout = int(sys.argv[1]), sys.argv[2] or None, float(sys.argv[3])
handler = NodeLogHandler("127.0.0.1", port, spool=spool, exit_timeout=timeout)
logging.basicConfig(handlers=[handler], level="INFO", format="%(message)s")
for number in range(100):
    logging.info("line %d", number)
"""


def at_exit(port: int, spool: Path | None, timeout: float) -> list[str]:
    """Run a program that logs and ends; return the lines of its standard error."""
    command = [sys.executable, "-c", PROGRAM, str(port), str(spool or ""), str(timeout)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stderr.splitlines()


def test_at_exit_a_program_waits_until_all_is_acknowledged(collector: FakeCollector) -> None:
    assert not at_exit(collector.port, None, PATIENCE)
    assert collector.lines == [b"line %d" % number for number in range(100)]
    assert collector.closed == 1


def test_at_exit_without_a_collector_it_is_reported_what_is_left_and_where(tmp_path: Path) -> None:
    collector = FakeCollector().start()
    collector.crash()
    assert at_exit(collector.port, None, 0.1)[-1] == f"nodelog: {unacknowledged(100, None)}"
    path = tmp_path / "spool"
    assert at_exit(collector.port, path, 0.1)[-1] == f"nodelog: {unacknowledged(100, path)}"
    spool = FileSpool(path)
    assert spool.lines == 100
    spool.close()


def test_it_can_be_imported_from_the_package() -> None:
    assert nodelog.NodeLogHandler is NodeLogHandler
