import traceback

import pytest

from nodelog.commands.multiline.record_joiner import RecordJoiner, RecordLimits
from nodelog.commands.multiline.record_rules import parse_rule

CHAINED = """\
Traceback (most recent call last):
  File "app.py", line 1, in <module>
    int("x")
    ~~~^^^^^
ValueError: invalid literal

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "app.py", line 3, in <module>
    raise RuntimeError from error
RuntimeError

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "app.py", line 5, in <module>
SystemError: a message
  with an indented second line
"""
JAVA = """\
java.lang.RuntimeException: no
\tat app.Main.run(Main.java:5)
\tat app.Main.main(Main.java:1)
Caused by: java.io.IOException: disk
\tat app.Disk.read(Disk.java:7)
\t... 2 more
"""


def group_traceback() -> str:
    try:
        raise ExceptionGroup("many", [ValueError("one"), TypeError("two")])  # noqa: TRY301 (it is printed)
    except ExceptionGroup:
        return traceback.format_exc()


def records_of(rule: str, text: str) -> list[str]:
    joiner = RecordJoiner(parse_rule(rule)(), RecordLimits(lines=1000, size=1 << 20, seconds=60))
    return [record.decode() for record in [*joiner.feed(text.encode(), 0), *joiner.finish()]]


@pytest.mark.parametrize(
    ("rule", "record"),
    [("python", CHAINED), ("python", group_traceback()), ("java", JAVA), ("indent", "one\n  two\n\tthree\n")],
)
def test_a_record_is_told_from_the_lines_around_it(rule: str, record: str) -> None:
    text = f"before\n{record}after\n{record}{record}\nend\n"
    assert records_of(rule, text) == ["before\n", record, "after\n", record, record, "\n", "end\n"]


def test_a_blank_line_after_a_traceback_stands_alone_unless_it_leads_to_another() -> None:
    error = "Traceback (most recent call last):\n  File\nKeyError: 1\n"
    assert records_of("python", f"{error}\n{error}") == [error, "\n", error]
    assert records_of("python", f"{error}\n") == [error, "\n"]
    assert records_of("python", f"{error}\nDuring a walk\n") == [error, "\n", "During a walk\n"]


def test_what_only_resembles_a_chain_ends_it() -> None:
    begin = CHAINED.partition("another exception occurred:\n")
    text = f"{begin[0]}{begin[1]}\nnot a traceback\n"
    assert records_of("python", text)[-1] == "not a traceback\n"


def test_a_pattern_matches_first_lines_and_lines_before_the_first_are_a_record() -> None:
    text = "lost\nbytes\n2026-11-30 one\nmore\n\n2026-11-30 two\n"
    expected = ["lost\nbytes\n", "2026-11-30 one\nmore\n\n", "2026-11-30 two\n"]
    assert records_of(r"^\d{4}-", text) == expected


def test_a_pattern_sees_the_beginning_of_a_long_line_only() -> None:
    assert records_of("end", "x" * 5000 + "end\nbegin, end\n") == ["x" * 5000 + "end\n", "begin, end\n"]


@pytest.mark.parametrize("pattern", ["[", "(", "a{99999999999999}"])
def test_an_invalid_pattern_is_an_error_that_names_the_rules(pattern: str) -> None:
    with pytest.raises(ValueError, match="none of python, java, indent, nor a regular expression"):
        parse_rule(pattern)
