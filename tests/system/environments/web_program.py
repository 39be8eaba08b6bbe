"""Web applications that log one line per request: `wsgi` for gunicorn, `asgi` for uvicorn."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from program_logging import configure, log_once  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# With --preload one process loads it for all; otherwise each worker does, and needs a spool of its own.
configure(one_file_per_process="--preload" not in sys.argv)


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer a request."""
    log_once(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


async def asgi(scope: dict[str, Any], receive: object, send: Callable[[object], Any]) -> None:  # noqa: ARG001
    """Answer a request."""
    if scope["type"] == "http":
        log_once(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(asgi, host="127.0.0.1", port=int(os.environ["WEB_PORT"]), log_level="critical")
