import os
import signal
import threading

from nodelog.commands.stdio.tee import Tee
from nodelog.commands.stop_signals import handle_stop_signals


def test_a_slow_reader_gets_everything() -> None:
    reader, writer = os.pipe()
    told: list[str] = []
    data = os.urandom(1024 * 1024)
    received = bytearray()

    def read() -> None:
        while some := os.read(reader, 1000):
            received.extend(some)

    thread = threading.Thread(target=read)
    thread.start()
    with handle_stop_signals() as stop:
        Tee(writer, stop, told.append).write(data)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert (bytes(received), told) == (data, [])


def test_a_reader_who_has_left_is_told_of_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told: list[str] = []
    with handle_stop_signals() as stop:
        tee = Tee(writer, stop, told.append)
        tee.write(b"one\n")
        tee.write(b"two\n")
    os.close(writer)
    assert told == ["standard output: Broken pipe; lines still go to the collector"]


def test_the_second_signal_ends_the_wait_for_a_reader() -> None:
    reader, writer = os.pipe()
    told: list[str] = []
    with handle_stop_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        Tee(writer, stop, told.append).write(b"x" * 1024 * 1024)
    os.close(reader)
    os.close(writer)
    assert told == []
