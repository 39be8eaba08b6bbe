"""The programs accept the options in the manifests and in compose.yaml."""

from __future__ import annotations

import click
import pytest
import yaml
from tests.deploy.manifests import COMPOSE, MIXES, Object, command, containers, pod, rendered

from nodeagent.cli import nodeagent
from nodelog.cli import build_parser
from nodelogd.collector.cli import logd
from nodelogd.compressor.cli import logcd

SYSTEM_PROGRAMS = ("chown", "sh")


def parse(program: str, *arguments: str) -> None:
    """Parse the arguments with the program's own parser; a mistake raises SystemExit or a click error."""
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
            assert program in SYSTEM_PROGRAMS


@pytest.mark.parametrize("components", MIXES, ids="+".join)
def test_the_programs_accept_the_options_in_the_manifests(components: tuple[str, ...]) -> None:
    seen = set()
    for found in rendered(components):
        for container in containers(pod(found) or {"containers": []}):
            program, *arguments = command(container)
            parse(program, *arguments)
            check_variables(container.get("env", []))
            seen.add(program)
    assert seen >= {"logd", "logcd", "nodelog", "chown"}


def check_variables(env: list[Object]) -> None:
    assert {variable["name"] for variable in env} <= {"HOST_IP", "HOST_IPS", "NODE_NAME"}


def services() -> dict[str, Object]:
    found: dict[str, Object] = yaml.safe_load(COMPOSE.read_text())["services"]
    return {name: service for name, service in found.items() if "image" in service and "build" in service}


@pytest.mark.parametrize("name", services())
def test_the_programs_accept_the_options_in_compose_yaml(name: str) -> None:
    parse(*command(services()[name]))


def test_the_programs_accept_the_options_in_the_load_script() -> None:
    script = services()["load"]["entrypoint"][-1].replace("\\\n", " ").replace("$$FOR", "10s")
    for line in script.splitlines():
        program, *words = line.partition(">")[0].replace('"', "").split()
        parse(program, *words)


@pytest.mark.parametrize(
    "command",
    [
        ("logd", "--sink=x"),
        ("logcd", "--evry=1s"),
        ("nodelog", "greet", "--evry=1s"),
        ("nodeagent", "watch", "--evry=1s"),
    ],
)
def test_an_unknown_option_is_noticed(command: tuple[str, ...]) -> None:
    with pytest.raises((SystemExit, click.NoSuchOption)):
        parse(*command)
