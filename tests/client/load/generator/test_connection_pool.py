"""The connection pool against a RELP server."""

from tests.client.load.relp_server import RelpServer

from nodelog.load.generator.connection_pool import ConnectionPool
from nodelog.load.generator.framing import framing
from nodelog.load.generator.relp_stream import RelpStream
from nodelog.load.generator.settings import Settings


def test_a_connection_that_is_done_before_it_reconnects_is_closed_without_a_session() -> None:
    settings = Settings(run="run", protocol="relp", through_restarts=True)
    connection = RelpStream(0, settings, framing(settings), lambda _: None)
    with RelpServer() as server:
        pool = ConnectionPool(("127.0.0.1", server.port), [connection])
        pool.connect_all()
        pool.drop(connection, OSError("it hung up"))
        while not connection.is_connecting:
            pool.poll(0.01)
        connection.stop()
        assert connection.is_done
        pool.finish_all(give_up=False)
        assert not pool.is_busy
        pool.close()
    assert server.sessions == 1
    assert sum(pool.errors.values()) == 1
