import re
from collections.abc import Mapping

import pytest

from nodeagent.supervision.programs import PROGRAMS, ConfigError, Program

LOGD = PROGRAMS["logd"]


@pytest.mark.parametrize(
    ("table", "arguments"),
    [
        ({"max-line": "64KiB"}, ["--max-line=64KiB"]),
        ({"max-connections": 7}, ["--max-connections=7"]),
        ({"listen": ["6666", "[::1]:7"]}, ["--listen=6666", "--listen=[::1]:7"]),
        ({"listen": "6666"}, ["--listen=6666"]),
        ({"stamp": True}, ["--stamp"]),
        ({"stamp": False}, ["--no-stamp"]),
        ({"keep-age": "off"}, ["--keep-age=off"]),
        ({"log": "--help"}, ["--log=--help"]),
    ],
)
def test_a_table_becomes_command_line_arguments(table: Mapping[str, object], arguments: list[str]) -> None:
    assert LOGD.arguments(table) == arguments


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"listne": "6666"}, "logd has no option 'listne'; did you mean 'listen'?"),
        ({"rotate_size": "1MiB"}, "logd has no option 'rotate_size'; did you mean 'rotate-size'?"),
        ({"help": True}, "logd has no option 'help'"),
        ({"version": True}, "logd has no option 'version'"),
        ({"stamp": "yes"}, "logd: stamp is true or false, not 'yes'"),
        ({"log": True}, "logd: log needs a text or a number, not True"),
        ({"max-line": ["1MiB"]}, "logd: max-line needs a text or a number, not ['1MiB']"),
        ({"listen": [["6666"]]}, "logd: listen needs a text or a number, not ['6666']"),
    ],
)
def test_a_wrong_key_or_value_is_named(table: Mapping[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        LOGD.arguments(table)


def test_a_value_that_the_program_refuses_is_refused_before_the_start() -> None:
    with pytest.raises(ConfigError, match=re.escape("logd: --max-line: '7' is too small; allowed are 1KiB")):
        LOGD.settings(["--max-line=7"])


def test_the_programs_own_variables_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGD_MAX_LINE", "64KiB")
    assert LOGD.settings([])["max_line"] == 64 * 1024
    assert LOGD.settings(["--max-line=32KiB"])["max_line"] == 32 * 1024


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_each_program_has_the_options_the_agent_relies_on(program: Program) -> None:
    assert {"http", "log-level"} <= program.options.keys()
    assert not {"help", "version", "once"} & program.options.keys()
