"""Sockets of a load that are lost and opened again."""

import socket
from concurrent.futures import ThreadPoolExecutor

from tests.running import PATIENCE, wait_for

from nodelog.load.framing import framing
from nodelog.load.links import Links
from nodelog.load.relp import Relp
from nodelog.load.settings import Settings
from nodelog.wire.frames import SERVER_CLOSE, encode

WELCOME = encode(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=syslog,lines\nnodelog_max=70000")


def test_at_the_end_nothing_is_said_over_a_socket_that_has_not_yet_greeted() -> None:
    settings = Settings(run="run", protocol="relp", through_restarts=True)
    made = Relp(5, settings, framing(settings), lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        server.settimeout(PATIENCE)
        links = Links(server.getsockname(), [made])
        opening = threads.submit(links.open_all)
        first, _ = server.accept()
        with first:
            first.sendall(WELCOME)
            opening.result(PATIENCE)
            made.next_write(settings.write_lines)
            first.sendall(SERVER_CLOSE)
            wait_for(lambda: links.ready(0) or made.connecting, "it comes back")
        made.stop()
        assert made.connecting
        assert made.is_done
        links.end_all(give_up=False)
        assert not links.is_busy
        second, _ = server.accept()
        with second:
            second.settimeout(PATIENCE)
            assert second.recv(9999) == b""
        links.close()
