from nodelog.load.generator.line_source import BlockSource, SingleLineSource, line_source
from nodelog.load.generator.settings import Settings

SETTINGS = Settings(run="run", write_size=1280)
FORMAT = SETTINGS.line_format


def test_single_lines_are_right_however_connections_take_turns() -> None:
    source = SingleLineSource(Settings(run="run", write_size=0))
    for number in range(100):
        for connection in (3, 70):
            assert source.lines(connection, number) == FORMAT.format_line(connection, number)
    assert source.lines(3, 5) == FORMAT.format_line(3, 5)


def test_large_lines_are_built_one_at_a_time() -> None:
    settings = Settings(run="run", write_size=0, line_size=1 << 20)
    source = SingleLineSource(settings)
    for number in range(3):
        assert source.lines(0, number) == settings.line_format.format_line(0, number)


def test_only_writes_of_one_line_use_the_single_line_source() -> None:
    assert isinstance(line_source(SETTINGS), BlockSource)
    assert isinstance(line_source(Settings(run="run", write_size=0)), SingleLineSource)
