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
def test_errors_that_pass_are_told_apart_from_those_an_operator_must_fix(
    number: int, transient: bool
) -> None:
    assert is_transient(OSError(number, "")) is transient
