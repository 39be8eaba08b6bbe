"""The pages, called as by a WSGI server."""

import gzip
import json
import logging
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from prometheus_client import CollectorRegistry, Counter

from nodelogd.service.health import Health
from nodelogd.service.http_pages import Pages

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Response:
    """A request to new pages, and the response."""

    def __init__(
        self,
        path: str,
        method: str = "GET",
        *,
        health: Health | None = None,
        status: Callable[[], dict[str, object]] = dict,
        **headers: str,
    ) -> None:
        registry = CollectorRegistry()
        Counter("lines", "Lines.", registry=registry).inc(3)
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, **headers}
        setup_testing_defaults(environ)
        self.body = b"".join(Pages(health or Health(), registry, status)(environ, self._start))
        self.code = int(self.status.split()[0])

    def _start(
        self, status: str, headers: list[tuple[str, str]], _: object = None
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, dict(headers)
        return len

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The body as JSON."""
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


def stalled() -> Health:
    times = iter([0.0])
    return Health(clock=lambda: next(times, 12.5))


def test_a_running_loop_is_healthy_and_ready() -> None:
    healthz = Response("/healthz")
    assert healthz.code == 200
    assert healthz.json["status"] == "ok"
    assert 0 <= healthz.json["heartbeat_age_seconds"] < 10
    readyz = Response("/readyz")
    assert readyz.code == 200
    assert readyz.json == {"status": "ready", "reasons": {}}


def test_a_stalled_loop_is_neither_healthy_nor_ready() -> None:
    healthz = Response("/healthz", health=stalled())
    assert healthz.code == 503
    reason = "the event loop has not turned for 12.5 s, at most 10 s allowed"
    assert healthz.json == {"status": "stalled", "heartbeat_age_seconds": 12.5, "reason": reason}
    readyz = Response("/readyz", health=stalled())
    assert readyz.code == 503
    assert readyz.json == {"status": "not ready", "reasons": {"loop": reason}}


def test_a_reason_makes_the_daemon_not_ready_but_not_unhealthy() -> None:
    health = Health()
    health.set_not_ready("disk", "No space left on device")
    readyz = Response("/readyz", health=health)
    assert readyz.code == 503
    assert readyz.json == {"status": "not ready", "reasons": {"disk": "No space left on device"}}
    assert Response("/healthz", health=health).code == 200


def test_status_shows_its_values_as_json() -> None:
    assert Response("/status", status=lambda: {"lines": 3, "odd": set}).json == {
        "lines": 3,
        "odd": "<class 'set'>",
    }


def test_metrics_are_plain_text_by_default() -> None:
    metrics = Response("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"lines_total 3.0\n" in metrics.body
    assert int(metrics.headers["Content-Length"]) == len(metrics.body)


def test_metrics_are_openmetrics_and_gzipped_on_request() -> None:
    metrics = Response("/metrics", HTTP_ACCEPT=OPENMETRICS, HTTP_ACCEPT_ENCODING="gzip")
    assert metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert metrics.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(metrics.body).endswith(b"# EOF\n")


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nowhere"])
def test_head_is_get_without_the_body(path: str) -> None:
    get, head = Response(path), Response(path, "HEAD")
    assert head.body == b""
    assert head.status == get.status
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/", "/healthz/", "/favicon.ico", ""])
def test_an_unknown_path_is_answered_with_the_list_of_pages(path: str) -> None:
    unknown = Response(path)
    assert unknown.code == 404
    assert unknown.json["pages"] == ["/healthz", "/readyz", "/metrics", "/status"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_other_methods_are_refused(path: str, method: str) -> None:
    refused = Response(path, method)
    assert refused.code == 405
    assert refused.headers["Allow"] == "GET, HEAD"


def test_an_exception_in_a_page_is_a_500_response_and_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> dict[str, object]:
        raise RuntimeError("out of order")

    failed = Response("/status", status=fails)
    assert failed.code == 500
    assert failed.json == {"error": "RuntimeError: out of order"}
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "cannot show /status: RuntimeError: out of order")
    ]


def test_a_header_that_prometheus_cannot_parse_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    assert Response("/metrics", HTTP_ACCEPT="text/plain; version=x").code == 500
    assert "cannot show /metrics" in caplog.text
