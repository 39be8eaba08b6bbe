import os
import signal
import threading

from nodelog.commands.stdio.tee import Tee
from nodelog.commands.stop_signals import handle_stop_signals


def test_a_slow_reader_receives_everything() -> None:
    reader, writer = os.pipe()
    messages: list[str] = []
    data = os.urandom(1024 * 1024)
    received = bytearray()

    def read() -> None:
        while some := os.read(reader, 1000):
            received.extend(some)

    thread = threading.Thread(target=read)
    thread.start()
    with handle_stop_signals() as stop:
        Tee(writer, stop, messages.append).write(data)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert (bytes(received), messages) == (data, [])


def test_a_closed_pipe_is_reported_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    messages: list[str] = []
    with handle_stop_signals() as stop:
        tee = Tee(writer, stop, messages.append)
        tee.write(b"one\n")
        tee.write(b"two\n")
    os.close(writer)
    assert messages == ["standard output: Broken pipe; lines still go to the collector"]


def test_a_second_signal_ends_the_wait_for_a_reader() -> None:
    reader, writer = os.pipe()
    messages: list[str] = []
    with handle_stop_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        Tee(writer, stop, messages.append).write(b"x" * 1024 * 1024)
    os.close(reader)
    os.close(writer)
    assert messages == []
