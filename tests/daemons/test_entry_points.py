import subprocess
import sys

import pytest

SCRIPTS = {
    "logd": ("nodelogd.entry_points", "node"),
    "logcd": ("nodelogd.entry_points", "node"),
    "nodeagent": ("nodeagent.entry_point", "agent"),
}


@pytest.mark.parametrize(
    ("program", "missing"),
    [("logd", "click"), ("logd", "prometheus_client"), ("logcd", "click"), ("nodeagent", "aiohttp")],
)
def test_a_missing_extra_is_one_line_that_says_what_to_install(program: str, missing: str) -> None:
    module, extra = SCRIPTS[program]
    code = f"import sys; sys.modules[{missing!r}] = None; from {module} import {program} as run; run()"
    result = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False
    )
    expected = (
        f"{program} needs the extra \"{extra}\" ({missing} is missing): pip install 'nodelog[{extra}]'\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (2, "", expected)


def test_a_module_of_our_own_that_is_missing_is_not_blamed_on_an_extra() -> None:
    code = (
        "import sys; sys.modules['nodelogd.collector'] = None;"
        " from nodelogd.entry_points import logd as run; run()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in result.stderr
