from __future__ import annotations

import pytest

from nodelogd.collector.network.pacing import MANY, NAP, SMALL, nap


@pytest.mark.parametrize(
    ("reads", "received"),
    [(0, 0), (1, 10), (MANY - 1, 10), (MANY, MANY * SMALL), (500, 500 * 64 * 1024)],
)
def test_an_idle_collector_or_one_fed_in_blocks_never_naps(reads: int, received: int) -> None:
    assert nap(reads, received) == 0


@pytest.mark.parametrize(("reads", "received"), [(MANY, MANY), (MANY, MANY * SMALL - 1), (500, 500 * 128)])
def test_many_small_reads_make_it_nap(reads: int, received: int) -> None:
    assert nap(reads, received) == NAP
