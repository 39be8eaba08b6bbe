"""The documents name only what the programs have, and leave nothing out."""

import argparse
import ast
import dataclasses
import inspect
import logging.config
import re
import shlex
from pathlib import Path

import pytest

from nodeagent.cli import nodeagent
from nodeagent.metrics import Metrics as AgentMetrics
from nodelog import AsyncShipper, NodeLogHandler, Shipper, Stats
from nodelog.cli import build_parser
from nodelog.commands.run_arguments import split_command
from nodelogd.collector.cli import logd
from nodelogd.collector.metrics import Metrics
from nodelogd.compressor.cli import logcd
from nodelogd.compressor.metrics import Metrics as ArchiveMetrics

DOCS = Path(__file__).resolve().parent.parent / "docs"
OPERATIONS = (DOCS / "operations.md").read_text()
AGENT = (DOCS / "agent.md").read_text()
METRICS = {
    f"{metric.name}_total" if metric.type == "counter" else metric.name: metric.documentation
    for registry in (Metrics().registry, ArchiveMetrics().registry, AgentMetrics().registry)
    for metric in registry.collect()
}


@pytest.mark.parametrize("name", METRICS)
def test_the_documents_list_each_metric_with_its_meaning(name: str) -> None:
    page = AGENT if name.startswith("nodelog_agent_") else OPERATIONS
    assert f"| `{name}` | {METRICS[name]} |" in page


def test_the_documents_name_no_metric_that_does_not_exist() -> None:
    for path in DOCS.glob("*.md"):
        named = set(re.findall(r"\bnodelog_[a-z_]+(?:_total|_bytes|_seconds)\b", path.read_text()))
        assert named <= METRICS.keys(), path.name


def test_the_documents_name_no_option_that_does_not_exist() -> None:
    params = [*logd.params, *logcd.params]
    options = {name for param in params for name in [*param.opts, *param.secondary_opts]} | {"--help"}
    for path in [DOCS / "operations.md", DOCS / "protocol.md", DOCS / "storage.md"]:
        named = set(re.findall(r"`(--[a-z-]+)", path.read_text()))
        assert named <= options, path.name


def test_the_page_about_the_agent_names_only_options_that_exist() -> None:
    params = [param for command in nodeagent.commands.values() for param in command.params]
    known = {name for param in params for name in param.opts} | {"--help"}
    known |= set(re.findall(r"(--[a-z][a-z-]*)", "".join(_helps())))  # of nodelog tail
    named = set(re.findall(r"(?<![a-z-])(--[a-z][a-z-]*)", AGENT))
    assert {"--config", "--tail-token"} < named <= known


def test_the_page_about_load_names_only_options_that_exist() -> None:
    known = set(re.findall(r"(--[a-z][a-z-]*)", "".join(_helps())))
    named = set(re.findall(r"(--[a-z][a-z-]*)", (DOCS / "load.md").read_text()))
    assert {"--rate", "--sent"} < named <= known


def _helps() -> list[str]:
    """Return the help of each command of `nodelog`."""
    actions = build_parser({})._actions
    commands = next(action for action in actions if isinstance(action, argparse._SubParsersAction))
    return [parser.format_help() for parser in commands.choices.values()]


CLIENT = (DOCS / "client.md").read_text()


def test_the_page_about_the_client_lists_each_option_with_its_default() -> None:
    shipper, handler = inspect.signature(Shipper), inspect.signature(NodeLogHandler)
    assert shipper.parameters.keys() == inspect.signature(AsyncShipper).parameters.keys()
    options = shipper.parameters.keys() | handler.parameters.keys() - {"level"}
    table = CLIENT.partition("## Options")[2].partition("## Shipper")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)) == options
    assert (
        f"`{shipper.parameters['full'].default}`; the handler: `{handler.parameters['full'].default}`"
        in table
    )
    assert shipper.parameters["max_bytes"].default == handler.parameters["max_bytes"].default == 64 << 20


def test_the_section_about_nodelog_run_lists_its_options_and_no_other() -> None:
    (run,) = [text for text in _helps() if text.startswith("usage: nodelog run")]
    (pipe,) = [text for text in _helps() if text.startswith("usage: nodelog pipe")]
    known, of_pipe = (set(re.findall(r"  (--[a-z][a-z-]*)", text)) for text in (run, pipe))
    section = CLIENT.partition("### nodelog run")[2].partition("\n### ")[0]
    named = set(re.findall(r"(?<![a-z-])(--[a-z][a-z-]*)", section))
    assert known - of_pipe < named <= known


def _runs_in_documents() -> list[list[str]]:
    """Return the command lines of `nodelog run` in code blocks: of shells, manifests and image files."""
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
    blocks = re.findall(r"^```.*?^```", "".join(page.read_text() for page in pages), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    shells = [shlex.split(line, comments=True) for line in lines if line.startswith("nodelog run ")]
    lists = [re.search(r"\[.*\]", line) for line in lines if '["nodelog", "run"' in line]
    return [words[1:] for words in [*shells, *(ast.literal_eval(found[0]) for found in lists if found)]]


def test_each_command_line_of_nodelog_run_in_the_documents_is_valid() -> None:
    runs = _runs_in_documents()
    assert len(runs) >= 6
    for words in runs:
        ours, _ = split_command(words)
        assert "--" in words
        build_parser({}).parse_args(ours)


def test_the_page_about_the_client_lists_each_figure_of_the_stats() -> None:
    (row,) = re.findall(r"^\| `stats` \| (.*) \|$", CLIENT, re.MULTILINE)
    assert re.findall("`([a-z_]+)`", row) == [field.name for field in dataclasses.fields(Stats)]


def test_the_example_for_logging_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_IP", "127.0.0.1")
    (example,) = re.findall(r"logging\.config\.dictConfig\((.*?)^\}\)", CLIENT, re.DOTALL | re.MULTILINE)
    config = ast.literal_eval(f"{example}}}")
    (options,) = config["handlers"].values()
    options |= {"spool": str(tmp_path / "spool"), "exit_timeout": 0, "tell": lambda _: None}
    config["loggers"] = {"example": config.pop("root")}
    logging.config.dictConfig(config | {"disable_existing_loggers": False})
    (handler,) = logging.getLogger("example").handlers
    assert isinstance(handler, NodeLogHandler)
    logging.getLogger("example").removeHandler(handler)
    handler.close()
