from nodelog.load.generator.line_source import Blocks, Singles, supply
from nodelog.load.generator.settings import Settings

SETTINGS = Settings(run="run", write_size=1280)
FORMAT = SETTINGS.line_format


def test_single_lines_are_the_same_however_often_connections_take_turns() -> None:
    singles = Singles(Settings(run="run", write_size=0))
    for number in range(100):
        for which in (3, 70):
            assert singles.fill(which, number) == FORMAT.format_line(which, number)
    assert singles.fill(3, 5) == FORMAT.format_line(3, 5)


def test_large_lines_are_made_one_at_a_time() -> None:
    settings = Settings(run="run", write_size=0, line_size=1 << 20)
    singles = Singles(settings)
    for number in range(3):
        assert singles.fill(0, number) == settings.line_format.format_line(0, number)


def test_one_line_a_write_is_what_takes_singles() -> None:
    assert isinstance(supply(SETTINGS), Blocks)
    assert isinstance(supply(Settings(run="run", write_size=0)), Singles)
