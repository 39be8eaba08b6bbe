import errno

import pytest

from nodelogd.collector.store.transient_errors import is_transient


@pytest.mark.parametrize(
    ("number", "transient"),
    [
        (errno.ENOSPC, True),
        (errno.EIO, True),
        (errno.EDQUOT, True),
        (errno.EACCES, False),
        (errno.ENOENT, False),
    ],
)
def test_what_an_operator_must_change_is_told_apart_from_what_passes(number: int, transient: bool) -> None:
    assert is_transient(OSError(number, "")) is transient
