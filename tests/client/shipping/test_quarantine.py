from nodelog.shipping.quarantine import MAX_HANGUPS, MIN_SECONDS, Quarantine

ONE, OTHER = (b"stream", 1), (b"stream", 2)
ENOUGH = MIN_SECONDS / (MAX_HANGUPS - 1)
"""Seconds between hang-ups that are far enough from each other."""


class Watch:
    """Hang-ups, each some seconds after the one before."""

    def __init__(self) -> None:
        """Begin at no time in particular."""
        self.now = 1e6
        self.suspicion = Quarantine(lambda: self.now)

    def finds_guilty(self, block: tuple[bytes, int] = ONE, after: float = ENOUGH) -> bool:
        """Let the peer hang up on a block."""
        self.now += after
        return self.suspicion.record_hangup(block)


def test_a_block_is_guilty_after_so_many_hangups_in_a_row() -> None:
    watch = Watch()
    assert [watch.finds_guilty() for _ in range(MAX_HANGUPS)] == [False] * (MAX_HANGUPS - 1) + [True]
    assert (watch.suspicion.hangups, watch.suspicion.seconds) == (MAX_HANGUPS, MIN_SECONDS)


def test_hangups_that_come_soon_after_each_other_are_no_proof() -> None:
    watch = Watch()
    guilty = [watch.finds_guilty(after=1) for _ in range(int(MIN_SECONDS) + 1)]
    assert guilty == [False] * int(MIN_SECONDS) + [True]


def test_a_few_hangups_are_no_proof_however_late_the_last_one_comes() -> None:
    watch = Watch()
    assert not any(watch.finds_guilty(after=MIN_SECONDS) for _ in range(MAX_HANGUPS - 1))


def test_another_block_in_between_begins_the_count_anew() -> None:
    watch = Watch()
    for _ in range(MAX_HANGUPS - 1):
        watch.finds_guilty()
    assert not watch.finds_guilty(OTHER)
    assert not watch.finds_guilty()


def test_an_ack_clears_it() -> None:
    watch = Watch()
    has_suspect = [watch.suspicion.has_suspect]
    for _ in range(MAX_HANGUPS - 1):
        watch.finds_guilty()
    has_suspect.append(watch.suspicion.has_suspect)
    watch.suspicion.clear()
    has_suspect.append(watch.suspicion.has_suspect)
    assert has_suspect == [False, True, False]
    assert not watch.finds_guilty()
