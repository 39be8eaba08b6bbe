from __future__ import annotations

import pytest

from nodelogd.collector.network.pacing import MIN_READS, NAP, SMALL_READ, nap


@pytest.mark.parametrize(
    ("reads", "received"),
    [(0, 0), (1, 10), (MIN_READS - 1, 10), (MIN_READS, MIN_READS * SMALL_READ), (500, 500 * 64 * 1024)],
)
def test_few_reads_or_large_reads_never_cause_a_nap(reads: int, received: int) -> None:
    assert nap(reads, received) == 0


@pytest.mark.parametrize(
    ("reads", "received"), [(MIN_READS, MIN_READS), (MIN_READS, MIN_READS * SMALL_READ - 1), (500, 500 * 128)]
)
def test_many_small_reads_cause_a_nap(reads: int, received: int) -> None:
    assert nap(reads, received) == NAP
