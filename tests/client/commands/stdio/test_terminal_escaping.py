from nodelog.commands.stdio.terminal_escaping import escape


def test_unprintable_characters_and_invalid_bytes_are_escaped() -> None:
    assert escape("grün \x1b[2J\t\u202e".encode() + b"\xff") == "grün \\x1b[2J\\t\\u202e\\xff"
