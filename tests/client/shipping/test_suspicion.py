from nodelog.shipping.suspicion import HANGUPS, Suspicion

ONE, OTHER = (b"stream", 1), (b"stream", 2)


def test_a_block_is_guilty_after_so_many_hangups_in_a_row() -> None:
    suspicion = Suspicion()
    assert [suspicion.finds_guilty(ONE) for _ in range(HANGUPS)] == [False] * (HANGUPS - 1) + [True]


def test_another_block_in_between_begins_the_count_anew() -> None:
    suspicion = Suspicion()
    for _ in range(HANGUPS - 1):
        suspicion.finds_guilty(ONE)
    assert not suspicion.finds_guilty(OTHER)
    assert not suspicion.finds_guilty(ONE)


def test_an_ack_clears_it() -> None:
    suspicion = Suspicion()
    assert not suspicion
    for _ in range(HANGUPS - 1):
        suspicion.finds_guilty(ONE)
    assert suspicion
    suspicion.clear()
    assert not suspicion
    assert not suspicion.finds_guilty(ONE)
