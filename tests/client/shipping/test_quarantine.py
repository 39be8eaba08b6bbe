from nodelog.shipping.quarantine import MAX_HANGUPS, MIN_SECONDS, Quarantine

ONE, OTHER = (b"stream", 1), (b"stream", 2)
INTERVAL = MIN_SECONDS / (MAX_HANGUPS - 1)
"""Seconds between hang-ups, so that the last one comes exactly late enough."""


class HangUps:
    """A quarantine with a clock, for hang-ups that follow each other."""

    def __init__(self) -> None:
        """Start at an arbitrary time."""
        self.now = 1e6
        self.quarantine = Quarantine(lambda: self.now)

    def record(self, block: tuple[bytes, int] = ONE, after: float = INTERVAL) -> bool:
        """Record a hang-up on a block, `after` seconds later."""
        self.now += after
        return self.quarantine.record_hangup(block)


def test_a_block_is_set_aside_after_the_last_of_the_hangups_in_a_row() -> None:
    hangups = HangUps()
    assert [hangups.record() for _ in range(MAX_HANGUPS)] == [False] * (MAX_HANGUPS - 1) + [True]
    assert (hangups.quarantine.hangups, hangups.quarantine.seconds) == (MAX_HANGUPS, MIN_SECONDS)


def test_frequent_hangups_are_not_enough_until_they_took_long_enough() -> None:
    hangups = HangUps()
    verdicts = [hangups.record(after=1) for _ in range(int(MIN_SECONDS) + 1)]
    assert verdicts == [False] * int(MIN_SECONDS) + [True]


def test_few_hangups_are_not_enough_no_matter_how_long_they_took() -> None:
    hangups = HangUps()
    assert not any(hangups.record(after=MIN_SECONDS) for _ in range(MAX_HANGUPS - 1))


def test_a_hangup_on_another_block_restarts_the_count() -> None:
    hangups = HangUps()
    for _ in range(MAX_HANGUPS - 1):
        hangups.record()
    assert not hangups.record(OTHER)
    assert not hangups.record()


def test_clear_ends_the_suspicion() -> None:
    hangups = HangUps()
    has_suspect = [hangups.quarantine.has_suspect]
    for _ in range(MAX_HANGUPS - 1):
        hangups.record()
    has_suspect.append(hangups.quarantine.has_suspect)
    hangups.quarantine.clear()
    has_suspect.append(hangups.quarantine.has_suspect)
    assert has_suspect == [False, True, False]
    assert not hangups.record()
