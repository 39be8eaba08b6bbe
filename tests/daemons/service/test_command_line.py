"""A usage error is one line that says what is allowed, and exit code 2."""

import click
import pytest

from nodelogd.service.command_line import context_settings, run
from nodelogd.service.option_types import ADDRESS, SIZE, DaemonOption


@click.command("logd", context_settings=context_settings("LOGD"))
@click.option("--max-line", cls=DaemonOption, type=SIZE, default="1MiB")
@click.option("--listen", cls=DaemonOption, type=ADDRESS, multiple=True, default=["6666"])
@click.option("--log-level", cls=DaemonOption, type=click.Choice(["info", "error"]), default="info")
@click.option("--stamp", cls=DaemonOption, is_flag=True)
@click.option("--fails", cls=DaemonOption, type=click.Choice(["code", "interrupt", "error"]), default=None)
@click.version_option("1.2.3", allow_from_autoenv=False)
def logd(fails: str | None, **values: object) -> int:
    """Stand in for a daemon."""
    match fails:
        case "code":
            return 7
        case "interrupt":
            raise KeyboardInterrupt
        case "error":
            raise click.ClickException("cannot go on\nat all.")
        case _:
            print(values)  # noqa: T201 - shows what arrived
            return 0


@click.command("logcd", context_settings=context_settings("LOGCD"))
@click.option("--from", "source", cls=DaemonOption, type=SIZE, required=True)
def logcd(source: int) -> None:
    """Stand in for a daemon with a required option."""
    assert source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-line", "7 bananas"], "--max-line: '7 bananas' is not a size; allowed are 64KiB to 1TiB"),
        (["--max-line=1\n2"], r"--max-line: '1\n2' is not a size; allowed are 64KiB to 1TiB"),
        (["--max-line"], "--max-line: needs a value; allowed are 64KiB to 1TiB"),
        (["--max-lin", "1"], "--max-lin: no such option; did you mean --max-line?"),
        (["--qqq"], "--qqq: no such option"),
        (["--stamp=1"], "--stamp: takes no value"),
        (["--log-level", "x"], "--log-level: 'x' is not one of 'info', 'error'"),
        (["more"], "Got unexpected extra argument (more)"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(logd, arguments) == 2
    assert capsys.readouterr() == ("", f"logd: {message}\n")


def test_a_missing_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(logcd, []) == 2
    assert capsys.readouterr().err == "logcd: --from: missing; allowed are 64KiB to 1TiB\n"


def test_a_variable_with_a_wrong_value_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGD_MAX_LINE", "long")
    assert run(logd, []) == 2
    wanted = "logd: LOGD_MAX_LINE (--max-line): 'long' is not a size; allowed are 64KiB to 1TiB\n"
    assert capsys.readouterr().err == wanted


def test_the_option_overrides_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGD_MAX_LINE", "long")
    assert run(logd, ["--max-line", "2MiB"]) == 0
    assert "'max_line': 2097152" in capsys.readouterr().out


def test_a_variable_holds_several_values_separated_by_spaces(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGD_LISTEN", "127.0.0.1:1 [::1]:2")
    assert run(logd, []) == 0
    out = capsys.readouterr().out
    assert "host='127.0.0.1', port=1" in out
    assert "host='::1', port=2" in out


def test_a_variable_named_version_is_not_an_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGD_VERSION", "1.2")
    assert run(logd, []) == 0
    assert "max_line" in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["--help", "-h", "--version"])
def test_help_and_version_exit_with_0(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(logd, [argument]) == 0
    assert "logd" in capsys.readouterr().out


def test_the_exit_code_is_the_one_of_the_command() -> None:
    assert run(logd, ["--fails=code"]) == 7
    assert run(logd, ["--fails=interrupt"]) == 130


def test_an_error_of_the_command_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(logd, ["--fails=error"]) == 1
    assert capsys.readouterr().err == "logd: cannot go on at all\n"
