from pathlib import Path

import pytest

from nodeagent.config_file import read_tables
from nodeagent.supervision.programs import ConfigError

NAMES = ("logd", "logcd", "nodeagent")


def test_each_program_has_a_table(tmp_path: Path) -> None:
    path = tmp_path / "nodelog.toml"
    path.write_text('[logd]\nlisten = ["6666"]\n[nodeagent]\n')
    assert read_tables(path, NAMES) == {"logd": {"listen": ["6666"]}, "nodeagent": {}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[lodg]\n", "unknown table 'lodg'; did you mean 'logd'?"),
        (b"[sauna]\n", "unknown table 'sauna'; it has logd, logcd, nodeagent"),
        (b'listen = "6666"\n', "unknown key outside a table 'listen'; it has logd, logcd, nodeagent"),
        (b"logd = 7\n", "logd is not a table; write [logd]"),
        (b"[logd\n", "Expected ']' at the end of a table declaration (at line 1, column 6)"),
        (b"[logd]\na = '\xff'\n", "'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(text: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "nodelog.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as error:
        read_tables(path, NAMES)
    assert str(error.value).startswith(f"{path}: {expected}")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.toml"
    with pytest.raises(ConfigError, match=f"cannot read {path}: No such file or directory"):
        read_tables(path, NAMES)
