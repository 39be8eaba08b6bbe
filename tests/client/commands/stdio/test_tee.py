import os
import threading
from collections.abc import Callable

from nodelog.commands.stdio.tee import Tee


def tee_to(fd: int, messages: list[str], gives_up: Callable[[], bool] = lambda: False) -> Tee:
    return Tee(fd, "standard output", gives_up=gives_up, on_message=messages.append)


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
    tee_to(writer, messages).write(data)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert (bytes(received), messages) == (data, [])


def test_a_closed_pipe_is_reported_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    messages: list[str] = []
    tee = tee_to(writer, messages)
    tee.write(b"one\n")
    tee.write(b"two\n")
    os.close(writer)
    assert messages == ["standard output: Broken pipe; lines still go to the collector"]


def test_giving_up_ends_the_wait_for_a_reader() -> None:
    reader, writer = os.pipe()
    messages: list[str] = []
    answers = iter([False, False, True])
    tee_to(writer, messages, gives_up=lambda: next(answers)).write(b"x" * 1024 * 1024)
    os.close(reader)
    os.close(writer)
    assert messages == []
