from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.deploy.docker import BUILD_TIMEOUT, docker
from tests.deploy.manifests import COMPOSE, PROGRAMS
from tests.waiting import wait_for

from nodelog import __version__
from nodelog.quantities import parse_duration
from nodelogd.collector.settings import Settings
from nodelogd.compressor.daemon import GRACE

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)

CLIENTS = 7
TIMEOUT = 120.0
DAC_READ_SEARCH = 2  # its number in linux/capability.h
FAULTS = ["lost", "doubled", "torn", "reordered"]


class Node:
    """A project started by `docker compose up`, with its own name and port."""

    def __init__(self, image: str) -> None:
        """Choose a name; the port is a free one."""
        self._environment = os.environ | {"NODELOG_IMAGE": image, "PORT": "0", "FOR": "10m"}
        self.project = f"nodelog-test-{secrets.token_hex(4)}"

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run docker compose and return its stdout."""
        run = subprocess.run(
            [PROGRAMS / "docker-compose", "-p", self.project, "-f", COMPOSE, *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=TIMEOUT,
            check=False,
        )
        assert not check or run.returncode == 0, run.stderr + run.stdout
        return run.stdout

    def execute(self, service: str, *command: str, check: bool = True) -> str:
        """Run a program in the container of a service."""
        return self.compose("exec", "-T", service, *command, check=check)


@pytest.fixture(scope="module")
def node(image: str) -> Generator[Node]:
    """Start everything, as `docker compose up` does."""
    found = Node(image)
    try:
        found.compose("up", "--detach", "--wait", "--no-build")
        yield found
    finally:
        found.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "30")


def greeters(text: str) -> set[str]:
    """Return the clients that greet in a text."""
    return set(re.findall(r" - Greetings from ([0-9a-f]{12})$", text, re.MULTILINE))


def test_seven_clients_greet_in_the_log(node: Node) -> None:
    wait_for(
        lambda: len(greeters(node.execute("logd", "cat", "/var/node_log"))) == CLIENTS,
        "seven clients have greeted",
    )


def test_the_files_of_seven_other_clients_are_in_the_archive(node: Node) -> None:
    command = "tar -xzOf /var/log/all-logs-*.tar.gz && tar -tf /var/log/all-logs-*.tar.gz"

    def archived() -> str:
        return node.execute("logcd", "sh", "-c", command, check=False)

    wait_for(lambda: len(greeters(archived())) == CLIENTS, "seven clients are archived", patience=TIMEOUT)
    assert len(re.findall(r"^var/log/[0-9a-f]{12}\.log$", archived(), re.MULTILINE)) == CLIENTS


def test_a_load_through_a_restart_of_the_collector_loses_and_doubles_nothing(node: Node) -> None:
    with ThreadPoolExecutor() as threads:
        verdict = threads.submit(node.compose, "--profile", "load", "run", "--rm", "-T", "load")
        try:
            wait_until_the_load_arrives(node)
            node.compose("restart", "logd")
            wait_until_the_load_arrives(node)
        finally:
            stop_load(node)
    for fault in FAULTS:
        assert re.search(rf"^{fault}: +0$", verdict.result(), re.MULTILINE), verdict.result()
    assert re.search(r"^received: +[1-9][0-9,]* lines ", verdict.result(), re.MULTILINE), verdict.result()
    state = json.loads(node.compose("ps", "--format", "json", "logd"))
    assert state["Health"] in {"healthy", "starting"}


def wait_until_the_load_arrives(node: Node) -> None:
    """Wait until the log has grown by more than the greetings."""

    def size() -> int:
        return int(node.execute("logd", "wc", "-c", "/var/lib/nodelog/node_log").split()[0])

    before = size()
    wait_for(lambda: size() > before + 100_000, "the load arrives", patience=TIMEOUT)


def stop_load(node: Node) -> None:
    """Stop `nodelog load` after a whole line; process 1 of its container is a shell that waits for it."""
    (load,) = docker("ps", "--quiet", f"--filter=label=com.docker.compose.project={node.project}",
                     "--filter=label=com.docker.compose.service=load").split()  # fmt: skip
    docker("exec", load, "sh", "-c", "kill -TERM $(cat /proc/1/task/1/children)")


@pytest.mark.parametrize("service", ["logd", "client", "client2", "logcd"])
def test_a_service_has_a_read_only_root_and_few_capabilities(node: Node, service: str) -> None:
    capabilities = int(node.execute(service, "sed", "-n", "s/^CapEff://p", "/proc/1/status"), 16)
    assert capabilities == (1 << DAC_READ_SEARCH if service == "logcd" else 0)
    writable = "touch /opt/nodelog/x /etc/x 2>&1 && echo written"
    output = node.execute(service, "sh", "-c", writable, check=False)
    assert output.count("Read-only file system") == 2


def test_the_monitoring_is_optional(node: Node) -> None:
    assert {"agent", "prometheus", "grafana", "load"}.isdisjoint(node.compose("config", "--services").split())
    services = node.compose("--profile", "observe", "config", "--services").split()
    assert {"agent", "prometheus", "grafana"} <= set(services)


def test_the_image_has_the_tag_of_this_version() -> None:
    assert yaml.safe_load(COMPOSE.read_text())["x-nodelog"]["image"].endswith(f":-nodelog:{__version__}}}")


def test_a_service_has_more_time_to_stop_than_its_program_takes() -> None:
    found = yaml.safe_load(COMPOSE.read_text())
    ours = [service for service in found["services"].values() if "build" in service]
    assert len(ours) == 6
    for service in ours:
        assert parse_duration(service["stop_grace_period"]) > max(Settings().grace, GRACE)


def test_prometheus_scrapes_the_ports_of_the_daemons() -> None:
    found = yaml.safe_load((COMPOSE.parent / "observe" / "prometheus.yaml").read_text())
    targets = [config["static_configs"][0]["targets"] for config in found["scrape_configs"]]
    assert targets == [["logd:9166", "logcd:9167", "agent:9168"]]


def test_the_agent_finds_no_problem_on_the_node(node: Node) -> None:
    node.compose("--profile", "observe", "up", "--detach", "--no-build", "agent")
    page = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9168/readyz').read().decode())"
    wait_for(lambda: node.execute("agent", "python3", "-c", page, check=False), "the agent is ready")


def test_every_port_is_published_on_this_machine_only(node: Node) -> None:
    found = json.loads(node.compose("--profile", "*", "config", "--format", "json"))
    ports = [port for service in found["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
