import pytest

from nodelog.commands.stdio.terminal_escaping import escape, escape_text


def test_unprintable_characters_and_invalid_bytes_are_escaped() -> None:
    assert escape("grün \x1b[2J\t\u202e".encode() + b"\xff") == "grün \\x1b[2J\\t\\u202e\\xff"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ä", "plain ä"),
        ("\x1b]0;x\x07\n\r", r"\x1b]0;x\x07\n\r"),
        ("byte \udcff", r"byte \xff"),
        ("lone \ud800", r"lone \ud800"),
        ("right to left \u202e", r"right to left \u202e"),
    ],
)
def test_text_from_elsewhere_is_one_printable_line(text: str, expected: str) -> None:
    assert escape_text(text) == expected
    assert escape_text(escape_text(text)) == expected
