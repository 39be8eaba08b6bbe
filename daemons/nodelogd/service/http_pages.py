"""The four HTTP pages of a daemon, as a WSGI application: no sockets and no threads here."""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client import make_wsgi_app

from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client import CollectorRegistry

    from nodelogd.service.health import Health

LOG: Final = logging.getLogger(__name__)
LOG_INTERVAL: Final = 60.0  # seconds; any peer can make a page fail as often as it likes
METHODS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Page:
    """A response: status line, headers and body."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Pages:
    """`/healthz`, `/readyz`, `/metrics` and `/status`; `status` is called outside the event loop's thread."""

    def __init__(
        self, health: "Health", registry: "CollectorRegistry", status: Callable[[], dict[str, object]]
    ) -> None:
        self._health = health
        self._status = status
        self._exposition = make_wsgi_app(registry)
        self._pages: dict[str, Callable[[WSGIEnvironment], Page]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/status": lambda _: _json("200 OK", self._status()),
        }
        self._errors = RateLimitedLog(LOG, LOG_INTERVAL)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; an exception in a page becomes a 500 response."""
        page = self._page(environ)
        start_response(page.status, [*page.headers, ("Content-Length", str(len(page.body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else page.body]

    def _page(self, environ: "WSGIEnvironment") -> Page:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path not in self._pages:
            return _json("404 Not Found", {"error": "no such page", "pages": list(self._pages)})
        if method not in METHODS:
            page = _json("405 Method Not Allowed", {"error": "method not allowed", "methods": METHODS})
            return Page(page.status, [*page.headers, ("Allow", ", ".join(METHODS))], page.body)
        try:
            return self._pages[path](environ)
        except Exception as error:  # noqa: BLE001 - a page runs foreign code: any metric, any header
            text = f"{type(error).__name__}: {error}"
            self._errors.log(logging.ERROR, path, "cannot show %s: %s", path, text, exc_info=error)
            return _json("500 Internal Server Error", {"error": text})

    def _healthz(self, _: "WSGIEnvironment") -> Page:
        age = round(self._health.heartbeat_age(), 3)
        if reason := self._health.stall_reason():
            content = {"status": "stalled", "heartbeat_age_seconds": age, "reason": reason}
            return _json("503 Service Unavailable", content)
        return _json("200 OK", {"status": "ok", "heartbeat_age_seconds": age})

    def _readyz(self, _: "WSGIEnvironment") -> Page:
        degraded = self._health.degraded_reasons()
        more = {"degraded": degraded} if degraded else {}
        if reasons := self._health.not_ready_reasons():
            return _json("503 Service Unavailable", {"status": "not ready", "reasons": reasons, **more})
        return _json("200 OK", {"status": "ready", "reasons": {}, **more})

    def _metrics(self, environ: "WSGIEnvironment") -> Page:
        """Let prometheus_client choose format and compression from the request headers."""
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            head.append((status, headers))

        body = b"".join(self._exposition({**environ, "REQUEST_METHOD": "GET"}, start))
        return Page(*head[0], body)


def _json(status: str, content: object) -> Page:
    body = json.dumps(content, default=str).encode() + b"\n"
    return Page(status, [("Content-Type", "application/json")], body)
