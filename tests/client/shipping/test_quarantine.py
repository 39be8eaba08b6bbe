from nodelog.shipping.quarantine import HANGUPS, SECONDS, Suspicion

ONE, OTHER = (b"stream", 1), (b"stream", 2)
ENOUGH = SECONDS / (HANGUPS - 1)
"""Seconds between hang-ups that are far enough from each other."""


class Watch:
    """Hang-ups, each some seconds after the one before."""

    def __init__(self) -> None:
        """Begin at no time in particular."""
        self.now = 1e6
        self.suspicion = Suspicion(lambda: self.now)

    def finds_guilty(self, block: tuple[bytes, int] = ONE, after: float = ENOUGH) -> bool:
        """Let the peer hang up on a block."""
        self.now += after
        return self.suspicion.finds_guilty(block)


def test_a_block_is_guilty_after_so_many_hangups_in_a_row() -> None:
    watch = Watch()
    assert [watch.finds_guilty() for _ in range(HANGUPS)] == [False] * (HANGUPS - 1) + [True]
    assert (watch.suspicion.hangups, watch.suspicion.seconds) == (HANGUPS, SECONDS)


def test_hangups_that_come_soon_after_each_other_are_no_proof() -> None:
    watch = Watch()
    guilty = [watch.finds_guilty(after=1) for _ in range(int(SECONDS) + 1)]
    assert guilty == [False] * int(SECONDS) + [True]


def test_a_few_hangups_are_no_proof_however_late_the_last_one_comes() -> None:
    watch = Watch()
    assert not any(watch.finds_guilty(after=SECONDS) for _ in range(HANGUPS - 1))


def test_another_block_in_between_begins_the_count_anew() -> None:
    watch = Watch()
    for _ in range(HANGUPS - 1):
        watch.finds_guilty()
    assert not watch.finds_guilty(OTHER)
    assert not watch.finds_guilty()


def test_an_ack_clears_it() -> None:
    watch = Watch()
    assert not watch.suspicion
    for _ in range(HANGUPS - 1):
        watch.finds_guilty()
    assert watch.suspicion
    watch.suspicion.clear()
    assert not watch.suspicion
    assert not watch.finds_guilty()
