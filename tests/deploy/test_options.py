"""What manifests and compose.yaml give to the programs is what the programs take."""

from __future__ import annotations

import click
import pytest
import yaml
from tests.deploy.manifests import COMPOSE, MIXES, Object, command, containers, pod, rendered

from nodeagent.cli import nodeagent
from nodelog.cli import build_parser
from nodelogd.collector.cli import logd
from nodelogd.compressor.cli import logcd

PLAIN = ("chown", "sh")


def parsed(program: str, *arguments: str) -> None:
    """Have the program's own parser read them; a SystemExit or a click error is a mistake."""
    match program:
        case "logd":
            logd.make_context(program, list(arguments))
        case "logcd":
            logcd.make_context(program, list(arguments))
        case "nodeagent":
            subcommand, *options = arguments
            nodeagent.commands[subcommand].make_context(program, options)
        case "nodelog":
            build_parser({}).parse_args(arguments)
        case _:
            assert program in PLAIN


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_a_manifest_gives_options_that_the_program_has(components: tuple[str, ...]) -> None:
    seen = set()
    for found in rendered(components):
        for container in containers(pod(found) or {"containers": []}):
            program, *arguments = command(container)
            parsed(program, *arguments)
            check_variables(container.get("env", []))
            seen.add(program)
    assert seen >= {"logd", "logcd", "nodelog", "chown"}


def check_variables(env: list[Object]) -> None:
    assert {variable["name"] for variable in env} <= {"HOST_IP", "HOST_IPS", "NODE_NAME"}


def services() -> dict[str, Object]:
    found: dict[str, Object] = yaml.safe_load(COMPOSE.read_text())["services"]
    return {name: service for name, service in found.items() if "image" in service and "build" in service}


@pytest.mark.parametrize("name", services())
def test_a_service_gives_options_that_the_program_has(name: str) -> None:
    parsed(*command(services()[name]))


def test_the_load_is_called_with_options_that_it_has() -> None:
    script = services()["load"]["entrypoint"][-1].replace("\\\n", " ").replace("$$FOR", "10s")
    for line in script.splitlines():
        program, *words = line.partition(">")[0].replace('"', "").split()
        parsed(program, *words)


@pytest.mark.parametrize(
    "command",
    [
        ("logd", "--sink=x"),
        ("logcd", "--evry=1s"),
        ("nodelog", "greet", "--evry=1s"),
        ("nodeagent", "watch", "--evry=1s"),
    ],
)
def test_an_option_that_a_program_does_not_have_is_noticed(command: tuple[str, ...]) -> None:
    with pytest.raises((SystemExit, click.NoSuchOption)):
        parsed(*command)
