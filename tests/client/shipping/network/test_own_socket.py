from __future__ import annotations

import errno
import os
import socket

import pytest

from nodelog.shipping.network.own_socket import OwnSocket, own_socket_pair


def test_a_socket_whose_number_is_somebody_elses_is_neither_used_nor_closed() -> None:
    first, second = own_socket_pair()
    program, peer = socket.socketpair()
    with program, peer:
        number = first.fileno()
        os.dup2(program.fileno(), number)
        assert not first.is_ours
        with pytest.raises(OSError, match="another part of this program closed") as error:
            first.get()
        assert error.value.errno == errno.EBADF
        first.close()
        os.write(number, b"the program's own")
        assert peer.recv(100) == b"the program's own"
        os.close(number)
    second.close()


def test_a_closed_socket_raises() -> None:
    first, second = own_socket_pair()
    second.close()
    assert first.get().recv(1) == b""
    first.close()
    with pytest.raises(OSError, match="closed its descriptor"):
        first.get()


def test_a_socket_that_the_program_closes_at_the_same_time_is_closed_without_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = own_socket_pair()
    os.close(first.fileno())
    with monkeypatch.context() as patch:
        patch.setattr(OwnSocket, "is_ours", True)  # as it was a moment ago
        first.close()
    second.close()
