import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from nodelog.shipping.line_queue import FullPolicy
from nodelog.shipping.settings import MIN_MAX_BYTES, make_settings, to_stderr

OPTIONS: dict[str, Any] = {
    "host": "10.0.0.1",
    "port": 6666,
    "spool": None,
    "full": "block",
    "max_bytes": MIN_MAX_BYTES,
    "name": None,
    "tell": None,
}


def test_the_default_name_is_that_of_the_pod_or_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "pod-1")
    assert make_settings(**OPTIONS).name == "pod-1"
    assert make_settings(**OPTIONS | {"name": "me"}).name == "me"
    monkeypatch.delenv("HOSTNAME")
    assert make_settings(**OPTIONS).name == socket.gethostname()


def test_a_spool_may_be_given_as_a_path() -> None:
    assert make_settings(**OPTIONS | {"spool": Path("/a/b")}).spool == "/a/b"


def test_full_is_one_of_three() -> None:
    assert make_settings(**OPTIONS | {"full": "drop-oldest"}).full is FullPolicy.DROP_OLDEST
    with pytest.raises(ValueError, match="'drop' is not a valid FullPolicy"):
        make_settings(**OPTIONS | {"full": "drop"})


def test_max_bytes_has_a_least_value() -> None:
    with pytest.raises(ValueError, match="max_bytes is 1048575, it must be at least 1048576"):
        make_settings(**OPTIONS | {"max_bytes": MIN_MAX_BYTES - 1})


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_in_the_range_of_tcp(port: int) -> None:
    with pytest.raises(ValueError, match=f"port is {port}, not 1 to 65535"):
        make_settings(**OPTIONS | {"port": port})


def test_by_default_a_message_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    make_settings(**OPTIONS).tell("it is full")
    assert capsys.readouterr().err == "nodelog: it is full\n"


@pytest.mark.parametrize("closed", [True, False])
def test_without_standard_error_a_message_is_discarded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, closed: bool
) -> None:
    file = (tmp_path / "stderr").open("w")
    file.close()
    monkeypatch.setattr(sys, "stderr", file if closed else None)
    to_stderr("anything")


def test_an_exception_in_tell_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: str) -> None:
        raise ValueError("closed")

    make_settings(**OPTIONS | {"tell": fail}).tell("it is full")
    assert capsys.readouterr().err == "nodelog: it is full (tell failed: ValueError('closed'))\n"
