"""Who may read /tail: clients that have the token, and prove it.

`nodelog tail` proves it without sending the token (`nodelog.token_proof`). `Authorization: Bearer TOKEN`, for
curl, gives the token to whatever listens at the port.
"""

from __future__ import annotations

import hmac
import logging
import os
import time
from typing import TYPE_CHECKING, Final

import aiofiles
from aiohttp import web

from nodelog.token_proof import SCHEME, agent_proof, new_nonce, reader_proof

if TYPE_CHECKING:
    from pathlib import Path

LOG: Final = logging.getLogger(__name__)
MAX_TOKEN_SIZE: Final = 4096  # bytes
NONCE_LIFETIME: Final = 30.0
"""Seconds in which a reader has to answer."""
_BEARER: Final = {"WWW-Authenticate": "Bearer"}


class TailAuthorization:
    """Checks requests against the token in a file, which is re-read for each: it may change."""

    def __init__(self, token: Path) -> None:
        self._path = token
        self._key = os.urandom(32)  # of our nonces: nothing has to be kept for a peer that asks for one

    async def check(self, header: str) -> None:
        """Raise HTTPUnauthorized unless this header, `Authorization`, shows that the client has the token."""
        token = await self._token()
        if not token:
            raise _refusal()
        match header.split(" "):
            case [scheme, reader] if scheme == SCHEME:
                nonce = self._sign(f"{int(time.monotonic()):x}-{new_nonce()}")
                proof = agent_proof(token, reader, nonce)
                raise web.HTTPUnauthorized(
                    text="prove that you have the token\n",
                    headers={"WWW-Authenticate": f"{SCHEME} {nonce} {proof}"},
                )
            case [scheme, reader, nonce, proof] if scheme == SCHEME:
                expected = reader_proof(token, reader, nonce)
                is_right = hmac.compare_digest(proof.encode(errors="replace"), expected.encode())
                if not (is_right and self._is_fresh(nonce)):
                    raise _refusal()
            case _:
                sent = header.encode(errors="surrogateescape")
                if not hmac.compare_digest(sent, b"Bearer " + token):
                    raise _refusal()

    async def _token(self) -> bytes:
        try:
            async with aiofiles.open(self._path, "rb") as file:
                return (await file.read(MAX_TOKEN_SIZE)).strip()
        except OSError as error:
            LOG.warning("cannot read %s: %s; /tail is closed to everybody", self._path, error.strerror)
            return b""

    def _sign(self, text: str) -> str:
        return f"{text}-{hmac.digest(self._key, text.encode(errors='replace'), 'sha256').hex()}"

    def _is_fresh(self, nonce: str) -> bool:
        """Return whether we made this nonce a short time ago."""
        text, _, _ = nonce.rpartition("-")
        if not hmac.compare_digest(self._sign(text).encode(errors="replace"), nonce.encode(errors="replace")):
            return False
        return time.monotonic() - int(text.partition("-")[0], 16) <= NONCE_LIFETIME


def _refusal() -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text="the token is wrong\n", headers=_BEARER)
