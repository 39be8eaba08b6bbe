"""How a reader of /tail and the agent prove to each other that they have the token, without sending it.

    reader  Authorization: Nodelog NONCE
    agent   401, WWW-Authenticate: Nodelog NONCE PROOF     the agent's own nonce
    reader  Authorization: Nodelog NONCE NONCE PROOF       the reader's and the agent's

Whoever listens at the agent's port in its place has no token and so no proof, and learns nothing from either
nonce. It could still pass everything on to the real agent: that shows it the log, not the token.
"""

import hmac
import secrets

SCHEME = "Nodelog"


def new_nonce() -> str:
    """Return a nonce: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def agent_proof(token: bytes, reader_nonce: str, agent_nonce: str) -> str:
    """Return what only an agent with the token can answer."""
    return _proof(token, "agent", reader_nonce, agent_nonce)


def reader_proof(token: bytes, reader_nonce: str, agent_nonce: str) -> str:
    """Return what only a reader with the token can send."""
    return _proof(token, "reader", reader_nonce, agent_nonce)


def _proof(token: bytes, *parts: str) -> str:
    return hmac.digest(token, "\n".join(("nodelog tail", *parts)).encode(), "sha256").hex()
