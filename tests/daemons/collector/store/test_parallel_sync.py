from __future__ import annotations

import errno
import os
import threading

import pytest
from tests.waiting import PATIENCE

from nodelogd.collector.store.parallel_sync import sync_in_parallel


def failing() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_both_syncs_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=PATIENCE)
    arrived: list[int] = []
    sync_in_parallel(lambda: arrived.append(both.wait()), lambda: arrived.append(both.wait()))
    assert sorted(arrived) == [0, 1]


@pytest.mark.parametrize("failing_first", [True, False])
def test_the_error_of_either_sync_is_raised_after_the_other_one_has_ended(*, failing_first: bool) -> None:
    ended: list[str] = []
    steps = [failing, lambda: ended.append("other")]
    with pytest.raises(OSError, match="Input/output error"):
        sync_in_parallel(*(steps if failing_first else reversed(steps)))
    assert ended == ["other"]
