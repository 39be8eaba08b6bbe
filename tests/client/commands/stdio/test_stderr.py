from nodelog.commands.stdio.stderr import shown


def test_a_line_is_harmless_for_a_terminal() -> None:
    assert shown("grün \x1b[2J\t\u202e".encode() + b"\xff") == "grün \\x1b[2J\\t\\u202e\\xff"
