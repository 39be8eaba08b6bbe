"""The sessions in docs/protocol.md are what the code sends."""

from pathlib import Path

from nodelog.wire.client_session import ClientSession
from nodelog.wire.frames import SERVER_CLOSE
from nodelog.wire.server_session import Block, Message, ServerSession

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()
STREAM = bytes(range(16))
OMRELP = (
    b"1 open 86 relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n"
)


def collector() -> ServerSession:
    """Return the collector's side with its defaults."""
    return ServerSession(max_data=1024 * 1024 + 64 * 1024)


def formatted(*frames: tuple[str, bytes]) -> str:
    """Format frames as the page does."""
    lines = [f"{way} {frame[:-1].decode()}".replace("\n", "\\n") + "\\n" for way, frame in frames]
    return "\n".join(["```", *lines, "```"])


def test_the_pages_lost_session_is_what_is_sent() -> None:
    server, client = collector(), ClientSession(stream=(STREAM, 1), name="web-7d9f")
    hello = client.hello()
    server.feed(hello)
    welcome = server.accept(0)
    client.feed(welcome)
    first = b"".join(client.block(b"first\nsecond\n"))
    second = b"".join(client.block(b'{"third": 3}\n'))
    assert server.feed(first + second) == [
        Block(2, 1, memoryview(b"first\nsecond\n")),
        Block(3, 2, memoryview(b'{"third": 3}\n')),
    ]
    frames = [(">", hello), ("<", welcome), (">", first), (">", second), ("<", server.ack(2))]
    assert formatted(*frames) in PAGE


def test_the_pages_resumed_session_is_what_is_sent() -> None:
    server, client = collector(), ClientSession(stream=(STREAM, 2), name="web-7d9f")
    hello = client.hello()
    server.feed(hello)
    welcome = server.accept(2)
    client.feed(welcome)
    third, probe = b"".join(client.block(b"fourth\n")), b"".join(client.block(b""))
    close = client.close()
    assert server.feed(third)[0] == Block(2, 3, memoryview(b"fourth\n"))
    assert server.feed(probe)[0] == Block(3, 4, memoryview(b""))
    server.feed(close)
    frames = [(">", hello), ("<", welcome), (">", third), (">", probe), ("<", server.ack(2))]
    assert formatted(*frames, ("<", server.ack(3)), (">", close), ("<", server.ack(4))) in PAGE


def test_the_pages_rsyslog_session_is_what_is_answered() -> None:
    server = collector()
    server.feed(OMRELP)
    welcome = server.accept()
    message = b"2 syslog 58 <133>2026-11-22T13:00:00.690434+00:00 node-1 app hello one\n"
    assert server.feed(message) == [Message(2, memoryview(message[12:-1]))]
    frames = [(">", OMRELP), ("<", welcome), (">", message), ("<", server.ack(2)), ("<", SERVER_CLOSE)]
    assert formatted(*frames) in PAGE
