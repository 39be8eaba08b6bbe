"""The variables that Kubernetes sets for a Service with the name of a daemon mean nothing to that daemon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from nodeagent.cli import nodeagent
from nodelogd.collector.cli import logd
from nodelogd.compressor.cli import logcd
from nodelogd.service.option_types import environment_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
SET_BY_KUBERNETES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")
COMMANDS = [logd, logcd, *nodeagent.commands.values()]


def variables(command: click.Command) -> Iterator[str]:
    """Yield the variables that a command reads."""
    context = click.Context(command, **command.context_settings)
    for param in command.params:
        if isinstance(param, click.Option):
            yield environment_variable(param, context)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_no_option_of_a_daemon_has_a_variable_that_kubernetes_sets(command: click.Command) -> None:
    read = list(variables(command))
    assert len(read) > 3
    assert [name for name in read if SET_BY_KUBERNETES.fullmatch(name)] == []


@pytest.mark.parametrize("name", ["LOGD_PORT", "LOGD_SERVICE_PORT_LINES", "LOGD_PORT_6666_TCP_ADDR"])
def test_the_names_that_kubernetes_gives_are_recognized(name: str) -> None:
    assert SET_BY_KUBERNETES.fullmatch(name)
