from pathlib import Path

import pytest
from aiohttp import web

from nodeagent.pages import tail_authorization
from nodeagent.pages.tail_authorization import TailAuthorization
from nodelog.token_proof import agent_proof, new_nonce, reader_proof

TOKEN = b"s3cret"


@pytest.fixture
def authorization(tmp_path: Path) -> TailAuthorization:
    (tmp_path / "token").write_bytes(TOKEN + b"\n")
    return TailAuthorization(tmp_path / "token")


async def is_allowed(authorization: TailAuthorization, header: str) -> bool:
    try:
        await authorization.check(header)
    except web.HTTPUnauthorized:
        return False
    return True


async def challenge(authorization: TailAuthorization, reader: str) -> tuple[str, str]:
    """Return the agent's nonce and its proof."""
    with pytest.raises(web.HTTPUnauthorized) as refused:
        await authorization.check(f"Nodelog {reader}")
    scheme, nonce, proof = refused.value.headers["WWW-Authenticate"].split(" ")
    assert scheme == "Nodelog"
    return nonce, proof


async def test_both_prove_that_they_have_the_token(authorization: TailAuthorization) -> None:
    reader = new_nonce()
    nonce, proof = await challenge(authorization, reader)
    assert proof == agent_proof(TOKEN, reader, nonce)
    assert await is_allowed(authorization, f"Nodelog {reader} {nonce} {reader_proof(TOKEN, reader, nonce)}")


async def test_a_proof_with_another_token_or_for_another_nonce_is_refused(
    authorization: TailAuthorization,
) -> None:
    reader = new_nonce()
    nonce, proof = await challenge(authorization, reader)
    right = reader_proof(TOKEN, reader, nonce)
    for header in (
        f"Nodelog {reader} {nonce} {reader_proof(b'other', reader, nonce)}",
        f"Nodelog {reader} {nonce} {proof}",  # the agent's own
        f"Nodelog {new_nonce()} {nonce} {right}",
        f"Nodelog {reader} 0-0-0 {reader_proof(TOKEN, reader, '0-0-0')}",  # not one of ours
        f"Nodelog {reader} x {reader_proof(TOKEN, reader, 'x')}",
        f"Nodelog {reader} {nonce} \udcff",
    ):
        assert not await is_allowed(authorization, header)


async def test_a_nonce_ages(authorization: TailAuthorization, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = new_nonce()
    nonce, _ = await challenge(authorization, reader)
    monkeypatch.setattr(tail_authorization, "NONCE_LIFETIME", -1.0)
    assert not await is_allowed(
        authorization, f"Nodelog {reader} {nonce} {reader_proof(TOKEN, reader, nonce)}"
    )


@pytest.mark.parametrize(
    ("header", "allowed"),
    [("Bearer s3cret", True), ("Bearer wrong", False), ("", False), ("Bearer \udcff", False)],
)
async def test_the_token_itself_is_accepted_for_curl(
    authorization: TailAuthorization, header: str, allowed: bool
) -> None:
    assert await is_allowed(authorization, header) is allowed


async def test_without_a_token_nobody_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    for path in (tmp_path / "token", tmp_path / "none"):
        assert not await is_allowed(TailAuthorization(path), "Bearer ")
        assert not await is_allowed(TailAuthorization(path), f"Nodelog {new_nonce()}")
