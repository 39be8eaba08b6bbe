import asyncio

import pytest
from tests.agent.fake_peer import Behaviour, fake_peer, never_answer
from tests.processes.logd import StartLogd

from nodeagent.checks import collector_probe
from nodeagent.checks.collector_probe import CollectorProbe
from nodeagent.metrics import Metrics
from nodeagent.problems import Problems
from nodeagent.settings import CollectorAddress

HELLO = b"1 rsp 69 200 OK\nrelp_version=0\nrelp_software=x\ncommands=syslog\n"


class ProbedCollector:
    """The probe of a collector, with its metrics and problems."""

    def __init__(self, port: int, *hosts: str) -> None:
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        address = CollectorAddress(hosts or ("127.0.0.1",), port)
        self.check = CollectorProbe(address, self.metrics, self.problems)

    @property
    def problem(self) -> str:
        """Why the last probe failed."""
        return self.problems.reasons().get("canary", "")

    def count(self, result: str) -> float | None:
        """Return how many probes had this result."""
        found = self.metrics.registry.get_sample_value
        return found("nodelog_agent_canary_probes_total", {"result": result})


async def test_a_probe_is_acknowledged_and_leaves_nothing_in_the_log(logd: StartLogd) -> None:
    node = logd()
    probed = ProbedCollector(node.port)
    for _ in range(3):
        assert await probed.check.run()
    assert probed.count("ok") == 3
    assert probed.problem == ""
    assert node.text() == ""
    assert probed.metrics.registry.get_sample_value("nodelog_agent_canary_seconds_count") == 3
    assert node.metric("nodelog_streams") <= 1  # however long the agent runs


async def test_the_time_of_the_last_success_stays_while_probes_fail(logd: StartLogd) -> None:
    node = logd()
    probed = ProbedCollector(node.port)
    assert await probed.check.run()
    name = "nodelog_agent_canary_last_success_timestamp_seconds"
    before = probed.metrics.registry.get_sample_value(name)
    node.kill()
    assert not await probed.check.run()
    assert probed.metrics.registry.get_sample_value(name) == before
    assert probed.metrics.registry.get_sample_value("nodelog_agent_canary_ok") == 0
    assert probed.count("failed") == 1
    expected = f"a probe to 127.0.0.1 port {node.port} failed: Connection refused; is logd there?"
    assert probed.problem == expected
    node.restart()
    probed = ProbedCollector(node.port)
    assert await probed.check.run()


async def test_the_second_address_is_tried_if_the_first_refuses(logd: StartLogd) -> None:
    node = logd()
    assert await ProbedCollector(node.port, "127.9.9.9", "127.0.0.1").check.run()


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def send_garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")


async def offer_no_blocks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HELLO.replace(b"69", b"%d" % (len(HELLO) - len(b"1 rsp 69 \n"))))
    await reader.read()


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"1 rsp 10 500 go off\n")
    await reader.read()


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (hang_up, "it hung up"),
        (send_garbage, "not a frame header"),
        (offer_no_blocks, "it accepts no blocks and streams, so it is not logd"),
        (refuse, "it answers Refused(reason='500 go off')"),
        (never_answer, "no answer within 0.3 s"),
    ],
)
async def test_a_peer_that_is_no_collector_is_a_problem(
    behaviour: Behaviour, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_probe, "TIMEOUT", 0.3 if behaviour is never_answer else 30.0)
    async with fake_peer(behaviour) as port:
        probed = ProbedCollector(port)
        assert not await probed.check.run()
        assert reason in probed.problem
