import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_into_messages, split_long_line, to_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a line", b"a line"),
        ("a line\n", b"a line"),
        ("", b""),
        ("\n", b""),
        ("\n\n", b"\\n"),
        ("Traceback:\n  File\nError\n", b"Traceback:\\n  File\\nError"),
        ("carriage\r\nreturn\r", b"carriage\r\\nreturn\r"),
        ("Grüße \N{SNOWMAN}", "Grüße \N{SNOWMAN}".encode()),
        ("lone \ud800 and \udc80", b"lone \\ud800 and \\udc80"),
        (b"bytes \xff\x00 as they are", b"bytes \xff\x00 as they are"),
        (b"two\nlines\n", b"two\\nlines"),
    ],
)
def test_any_text_becomes_one_line(text: str | bytes, line: bytes) -> None:
    assert to_line(text) == line


@given(st.text() | st.binary())
def test_a_line_never_contains_an_lf(text: str | bytes) -> None:
    assert b"\n" not in to_line(text)


@pytest.mark.parametrize("extra", [-1, 0, 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1])
def test_a_line_that_is_too_long_is_cut(extra: int) -> None:
    line = bytes(MAX_LINE_BYTES + extra)
    parts = split_long_line(line)
    assert b"".join(parts) == line
    assert all(len(part) == MAX_LINE_BYTES for part in parts[:-1])
    assert len(parts[-1]) <= MAX_LINE_BYTES


def test_messages_are_cut_to_the_size_limit() -> None:
    assert split_into_messages(b"a\n\nb\n", 100) == [b"a", b"", b"b"]
    assert split_into_messages(b"abcde\n\nfgh\n", 2) == [b"ab", b"cd", b"e", b"", b"fg", b"h"]
