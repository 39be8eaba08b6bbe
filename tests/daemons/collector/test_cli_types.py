from __future__ import annotations

import pytest

from nodelogd.collector.cli_types import ListenType, ModeType, SyncPolicyType
from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.collector.settings import FramedAddress
from nodelogd.service.listening_sockets import Address


@pytest.mark.parametrize("text", ["batch", "off", "interval=1s", "interval=0.5s"])
def test_a_sync_policy_is_shown_as_it_is_written(text: str) -> None:
    assert SyncPolicyType().to_text(SyncPolicyType().parse(text)) == text


@pytest.mark.parametrize("text", ["interval=9ms", "interval=2h"])
def test_an_interval_out_of_range_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        SyncPolicyType().parse(text)


@pytest.mark.parametrize(("text", "mode"), [("644", 0o644), ("0644", 0o644), ("0600", 0o600), ("777", 0o777)])
def test_a_mode_is_octal(text: str, mode: int) -> None:
    assert ModeType().parse(text) == mode
    assert ModeType().parse(ModeType().to_text(mode)) == mode


@pytest.mark.parametrize("text", ["", "8", "888", "u=rw", "0o644", "1644", "00644", "-644"])
def test_what_is_no_octal_mode_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a file mode"):
        ModeType().parse(text)


@pytest.mark.parametrize("text", ["0", "044", "0444", "0244"])
def test_a_mode_that_locks_out_its_owner_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        ModeType().parse(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("6666", Address(None, 6666)),
        ("6667,framing=nul", FramedAddress(None, 6667, Framing.NUL)),
        ("[::1]:6667,framing=octet-counting", FramedAddress("::1", 6667, Framing.OCTET_COUNTING)),
        ("10.0.0.1:6667,framing=lf", Address("10.0.0.1", 6667)),
    ],
)
def test_an_address_to_listen_on_may_have_a_framing(text: str, address: Address) -> None:
    assert ListenType().parse(text) == address
    assert ListenType().parse(ListenType().to_text(address)) == address


@pytest.mark.parametrize(
    "text", ["6667,", "6667,nul", "6667,framing=", "6667,framing=cr", "6667,stamp=nul", ","]
)
def test_an_unknown_framing_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ListenType().parse(text)
