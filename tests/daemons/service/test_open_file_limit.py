import resource
from collections.abc import Generator

import pytest

from nodelogd.service.open_file_limit import raise_file_limit


@pytest.fixture
def limits() -> Generator[tuple[int, int]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield soft, hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_soft_limit_is_raised_to_the_hard_limit(limits: tuple[int, int]) -> None:
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert raise_file_limit(257) == 257
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_hard_limit_below_the_wanted_number_is_returned(limits: tuple[int, int]) -> None:
    assert raise_file_limit(1 << 40) == limits[1]


def test_a_limit_that_cannot_be_raised_is_logged_and_returned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_file_limit(1 << 40) == soft
    assert "cannot raise the limit of open files" in caplog.text
