"""The sockets of a load, against a server of RELP."""

from tests.client.load.storing import Store

from nodelog.load.generator.connection_pool import Links
from nodelog.load.generator.framing import framing
from nodelog.load.generator.relp_stream import Relp
from nodelog.load.generator.settings import Settings


def test_a_connection_that_is_done_before_it_is_made_again_is_over_and_says_nothing() -> None:
    settings = Settings(run="run", protocol="relp", through_restarts=True)
    made = Relp(0, settings, framing(settings), lambda _: None)
    with Store() as store:
        links = Links(("127.0.0.1", store.port), [made])
        links.open_all()
        links.lose(made, OSError("it hung up"))
        while not made.connecting:
            links.ready(0.01)
        made.stop()
        assert made.is_done
        links.end_all(give_up=False)
        assert not links.is_busy
        links.close()
    assert store.opened == 1
    assert sum(links.errors.values()) == 1
