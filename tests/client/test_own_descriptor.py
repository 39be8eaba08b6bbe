from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nodelog.own_descriptor import OwnDescriptor

if TYPE_CHECKING:
    from pathlib import Path


def test_a_number_that_was_given_out_again_is_not_ours_and_is_not_closed(tmp_path: Path) -> None:
    own = OwnDescriptor(os.open(tmp_path / "ours", os.O_CREAT | os.O_RDWR))
    assert own.is_ours()
    other = os.open(tmp_path / "theirs", os.O_CREAT | os.O_RDWR)
    os.dup2(other, own.number)  # as when a program closes it and opens something else
    assert not own.is_ours()
    own.close()
    assert os.fstat(own.number).st_ino == os.fstat(other).st_ino
    os.close(own.number)
    os.close(other)
    assert not own.is_ours()


def test_ours_is_closed(tmp_path: Path) -> None:
    own = OwnDescriptor(os.open(tmp_path / "ours", os.O_CREAT | os.O_RDWR))
    assert own.stands_for((tmp_path / "ours").stat())
    own.close()
    assert not own.is_ours()
