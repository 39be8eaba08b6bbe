import itertools
import re
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from typing import IO

import pytest

from nodelog.commands.destinations.plain_tcp import PlainTcp
from nodelog.commands.stdio.stderr import MessagePrinter
from nodelog.commands.stop_signals import StopSignals

Start = Callable[..., subprocess.Popen[str]]
Listen = Callable[[int], socket.socket]

LINE = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \d{4} - Greetings from client-3\n")


def start_greeter(start: Start, port: int, *options: str) -> subprocess.Popen[str]:
    return start(
        "greet",
        "--to=lines",
        "--host=127.0.0.1",
        f"--port={port}",
        "--name=client-3",
        "--every=5ms",
        *options,
    )


def port_of(collector: socket.socket) -> int:
    return int(collector.getsockname()[1])


def accept(collector: socket.socket) -> tuple[socket.socket, IO[str]]:
    connection, _ = collector.accept()
    connection.settimeout(30)
    return connection, connection.makefile()


def read_lines(count: int, lines: IO[str]) -> list[str]:
    return [lines.readline() for _ in range(count)]


def test_whole_lines_go_over_one_connection_and_are_printed(start: Start, collector: socket.socket) -> None:
    greeter = start_greeter(start, port_of(collector), "--count=5")
    connection, lines = accept(collector)
    with connection, lines:
        received = lines.readlines()
    out, err = greeter.communicate(timeout=30)
    assert len(received) == 5
    assert all(LINE.fullmatch(line) for line in received)
    assert out.splitlines(keepends=True) == received
    assert err == f"nodelog greet: 5 lines sent to 127.0.0.1 port {port_of(collector)}\n"
    assert greeter.returncode == 0


def test_nothing_is_lost_or_doubled_when_the_collector_is_restarted(start: Start, listen: Listen) -> None:
    collector = listen(0)
    port = port_of(collector)
    greeter = start_greeter(start, port, "--count=60")
    received = []
    for _ in range(5):
        connection, lines = accept(collector)
        with connection, lines:
            received += read_lines(10, lines)
            collector.close()
            connection.shutdown(
                socket.SHUT_WR
            )  # the collector closes its side, and reads to the end of the stream
            received += lines.readlines()
        collector = listen(port)
    connection, lines = accept(collector)
    with connection, lines:
        received += lines.readlines()
    assert greeter.communicate(timeout=30)[0].splitlines(keepends=True) == received
    assert len(received) == 60


def test_a_reset_is_noticed_before_the_next_line(start: Start, collector: socket.socket) -> None:
    greeter = start(
        "greet",
        "--to=lines",
        "--host=127.0.0.1",
        f"--port={port_of(collector)}",
        "--every=300ms",
        "--count=2",
    )
    connection, lines = accept(collector)
    received = read_lines(1, lines)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    lines.close()
    connection.close()
    connection, lines = accept(collector)
    with connection, lines:
        received += lines.readlines()
    out, err = greeter.communicate(timeout=30)
    assert out.splitlines(keepends=True) == received
    assert "Connection reset by peer; trying again" in err


def test_it_reconnects_until_the_collector_listens(
    start: Start, collector: socket.socket, listen: Listen
) -> None:
    port = port_of(collector)
    collector.close()
    greeter = start_greeter(start, port, "--count=1")
    assert greeter.stderr is not None
    assert f"127.0.0.1:{port}: Connection refused; trying again" in greeter.stderr.readline()
    connection, lines = accept(listen(port))
    with connection, lines:
        assert len(lines.readlines()) == 1
    assert greeter.stderr.readline() == f"nodelog greet: connected to 127.0.0.1:{port}\n"
    assert greeter.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_stream_after_a_whole_line(
    start: Start, collector: socket.socket, number: signal.Signals
) -> None:
    greeter = start_greeter(start, port_of(collector))
    connection, lines = accept(collector)
    with connection, lines:
        received = read_lines(3, lines)
        greeter.send_signal(number)
        received += lines.readlines()
        assert greeter.poll() is None  # it waits for us to close
    out, err = greeter.communicate(timeout=30)
    assert out.splitlines(keepends=True) == received
    assert (
        err.splitlines()[-1]
        == f"nodelog greet: {len(received)} lines sent to 127.0.0.1 port {port_of(collector)}"
    )
    assert greeter.returncode == 0


def test_a_signal_ends_it_even_if_the_collector_does_not_close(
    start: Start, collector: socket.socket
) -> None:
    greeter = start_greeter(start, port_of(collector))
    connection, lines = accept(collector)
    with connection, lines:
        read_lines(1, lines)
        greeter.terminate()
        greeter.communicate(timeout=30)
    assert greeter.returncode == 0


def test_a_signal_during_an_outage_says_which_line_was_not_sent(
    start: Start, collector: socket.socket
) -> None:
    collector_port = port_of(collector)
    collector.close()
    greeter = start_greeter(start, collector_port)
    assert greeter.stderr is not None
    greeter.stderr.readline()
    greeter.terminate()
    assert LINE.search(greeter.stderr.readline())
    assert greeter.stderr.readline() == f"nodelog greet: 0 lines sent to 127.0.0.1 port {collector_port}\n"
    assert greeter.wait(30) == 0


@pytest.fixture
def stop() -> Iterator[tuple[socket.socket, socket.socket]]:
    wakeup, sender = socket.socketpair()
    with wakeup, sender:
        yield wakeup, sender


def test_a_signal_ends_the_wait_for_a_collector_that_does_not_read(
    stop: tuple[socket.socket, socket.socket], collector: socket.socket
) -> None:
    wakeup, sender = stop
    destination = PlainTcp("127.0.0.1", port_of(collector), StopSignals(wakeup), MessagePrinter("greet"))
    sender.send(b"\0")
    destination._connect()
    assert destination._socket is not None
    with pytest.raises(BlockingIOError):
        [destination._socket.send(bytes(65536)) for _ in itertools.count()]
    assert not destination._write(destination._socket, b"one more\n")
    destination._disconnect()
