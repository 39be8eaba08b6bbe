import asyncio

import pytest
from tests.agent.peers import Peer, be_silent, peer
from tests.processes.logd import StartLogd

from nodeagent.checks import collector_probe
from nodeagent.checks.collector_probe import Canary
from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics

HELLO = b"1 rsp 69 200 OK\nrelp_version=0\nrelp_software=x\ncommands=syslog\n"


class Cage:
    """A canary and what is known of it."""

    def __init__(self, port: int, *hosts: str) -> None:
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        self.canary = Canary(hosts or ("127.0.0.1",), port, self.metrics, self.findings)

    @property
    def why(self) -> str:
        """Why the last probe failed."""
        return self.findings.reasons().get("canary", "")

    def count(self, result: str) -> float | None:
        """How many probes ended like this."""
        found = self.metrics.registry.get_sample_value
        return found("nodelog_agent_canary_probes_total", {"result": result})


async def test_a_probe_is_acknowledged_and_leaves_nothing_in_the_log(logd: StartLogd) -> None:
    node = logd()
    cage = Cage(node.port)
    for _ in range(3):
        assert await cage.canary.look()
    assert cage.count("ok") == 3
    assert cage.why == ""
    assert node.text() == ""
    assert cage.metrics.registry.get_sample_value("nodelog_agent_canary_seconds_count") == 3
    assert node.metric("nodelog_streams") <= 1  # however long the agent lives


async def test_the_time_of_the_last_success_stands_while_probes_fail(logd: StartLogd) -> None:
    node = logd()
    cage = Cage(node.port)
    assert await cage.canary.look()
    name = "nodelog_agent_canary_last_success_timestamp_seconds"
    before = cage.metrics.registry.get_sample_value(name)
    node.kill()
    assert not await cage.canary.look()
    assert cage.metrics.registry.get_sample_value(name) == before
    assert cage.metrics.registry.get_sample_value("nodelog_agent_canary_ok") == 0
    assert cage.count("failed") == 1
    assert cage.why == f"a probe to 127.0.0.1 port {node.port} failed: Connection refused; is logd there?"
    node.restart()
    cage = Cage(node.port)
    assert await cage.canary.look()


async def test_the_second_address_is_tried_if_nobody_is_at_the_first(logd: StartLogd) -> None:
    node = logd()
    assert await Cage(node.port, "127.9.9.9", "127.0.0.1").canary.look()


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def say_garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")


async def take_no_blocks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HELLO.replace(b"69", b"%d" % (len(HELLO) - len(b"1 rsp 69 \n"))))
    await reader.read()


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"1 rsp 10 500 go off\n")
    await reader.read()


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (hang_up, "it hung up"),
        (say_garbage, "not a frame header"),
        (take_no_blocks, "it takes no blocks and streams, so it is no logd"),
        (refuse, "it answers Refused(why='500 go off')"),
        (be_silent, "no answer within 0.3 s"),
    ],
)
async def test_a_peer_that_is_no_collector_is_told(
    behaviour: Peer, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_probe, "PATIENCE", 0.3 if behaviour is be_silent else 30.0)
    async with peer(behaviour) as port:
        cage = Cage(port)
        assert not await cage.canary.look()
        assert why in cage.why
