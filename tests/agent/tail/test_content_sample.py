import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent.tail.content_sample import SAMPLE_SIZE, ContentSample

CONTENT = b"".join(b"line %d\n" % number for number in range(200))


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    os.write(fd, CONTENT)
    yield fd
    os.close(fd)


def test_content_that_only_grows_matches(fd: int) -> None:
    sample = ContentSample()
    assert sample.matches(fd)
    for offset in range(0, len(CONTENT), 100):
        sample.add(fd, offset, CONTENT[offset : offset + 100])
        os.pwrite(fd, b"more\n", os.fstat(fd).st_size)
        assert sample.matches(fd)


@pytest.mark.parametrize("changed", [0, SAMPLE_SIZE - 1, 1200 - SAMPLE_SIZE, 1199])
def test_a_change_at_the_beginning_or_before_the_offset_is_noticed(fd: int, changed: int) -> None:
    sample = ContentSample()
    sample.add(fd, 0, CONTENT[:1200])
    os.pwrite(fd, b"\0", changed)
    assert not sample.matches(fd)


def test_after_a_skip_only_the_bytes_that_were_read_are_compared(fd: int) -> None:
    sample = ContentSample()
    sample.add(fd, 0, CONTENT[:300])
    sample.add(fd, 1000, CONTENT[1000:1001])
    os.pwrite(fd, b"\0", 999)
    assert sample.matches(fd)
    os.pwrite(fd, b"\0", 1000)
    assert not sample.matches(fd)


def test_a_file_that_became_shorter_does_not_match(fd: int) -> None:
    sample = ContentSample()
    sample.add(fd, 0, CONTENT)
    os.ftruncate(fd, 10)
    assert not sample.matches(fd)
