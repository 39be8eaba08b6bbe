"""A real logd whose disk hangs, is full or fails under RELP: what is acknowledged is stored."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

import pytest
from tests.numbered_lines import sealed_files
from tests.relp_client import STREAM, block, blocks, connect
from tests.system.logd.relp_streams import log_content, resume_from
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.faults.libfiu import Faults
    from tests.faults.mounts import FreezableDisk, SmallDisk
    from tests.processes.logd import StartLogd


SYNCS = ["batch", "interval=50ms", "off"]


def test_m_counts_durable_blocks_not_written_ones(logd: StartLogd, faults: Faults) -> None:
    collector = logd("--sync=interval=1h", prefix=faults.prefix)
    with connect(collector.port, (STREAM, 1)) as client:
        client.welcome()
        client.store(block(1))  # acknowledged once written; nothing has synced it
        with faults.failing(collector, "posix/io/sync/fdatasync", errno.EIO):
            other = connect(collector.port, (STREAM, 1))
            wait_for(lambda: collector.records("cannot sync"))
            assert not other.read(0.2)  # the fence waits for a sync, which fails
    with other:
        assert other.welcome().durable == 0  # the failed sync may have lost it, so the client must resend it


@pytest.mark.parametrize("sync", SYNCS)
def test_a_block_recovered_from_the_page_cache_is_synced_before_m_counts_it(
    logd: StartLogd, sync: str
) -> None:
    collector = logd(f"--sync={sync}")
    with connect(collector.port, (STREAM, 1)) as client:
        client.welcome()
        client.send(block(1))
        wait_for(lambda: block(1) in collector.log.read_bytes())
        collector.kill()
    collector.restart()
    assert collector.metric("nodelog_recoveries_total", result="whole") == 1
    with connect(collector.port, (STREAM, 1)) as client:
        assert client.welcome().durable == 1


def test_the_answer_to_open_waits_while_the_disk_hangs(freezable: FreezableDisk, logd: StartLogd) -> None:
    collector = logd(log=freezable.path / "node_log")
    with connect(collector.port, (STREAM, 1)) as old:
        old.welcome()
        with freezable.frozen():
            old.send(block(1))
            wait_for(lambda: collector.get_json("/status")[1]["held_bytes"] > 0)
            with connect(collector.port, (STREAM, 1)) as new:
                old.until_ended()
                assert not new.read(0.3)
                assert new.events == []
        with connect(collector.port, (STREAM, 1)) as new:
            assert new.welcome().durable == 1
    assert old.acked == 0
    assert collector.stop() == 0
    assert log_content(collector) == block(1)


@pytest.mark.parametrize("times", [1, 2])
def test_failed_syncs_lose_and_duplicate_nothing_that_is_awaited(
    logd: StartLogd, faults: Faults, times: int
) -> None:
    collector = logd(prefix=faults.prefix)
    with connect(collector.port, (STREAM, 1)) as client, connect(collector.port) as plain:
        client.welcome()
        plain.welcome()
        client.store(block(1))
        for number in range(times):
            faults.fail_once(collector, "posix/io/sync/fdatasync", errno.EIO)
            client.send(block(2 * number + 2), block(2 * number + 3))
            plain.store(block(number, name="plain"))
            client.wait_for_acks()
    assert len(sealed_files(collector.log)) == times
    collector.kill()
    collector.restart()
    assert resume_from(collector, 1, 2 * times + 1) == 0
    assert collector.stop() == 0
    own = [line for line in log_content(collector).splitlines(keepends=True) if line.startswith(b"block")]
    assert b"".join(own) == blocks(range(1, 2 * times + 2))
    assert log_content(collector).count(b"plain") == 3 * times


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(small_disk: SmallDisk, logd: StartLogd) -> None:
    collector = logd(log=small_disk.path / "node_log")
    with connect(collector.port, (STREAM, 1)) as client:
        client.welcome()
        client.store(block(1))
        small_disk.fill()
        client.send(*(block(number, lines=2000) for number in range(2, 20)))
        wait_for(lambda: "No space left" in str(collector.readyz()[1]["reasons"]))
        assert client.session.unacknowledged > 0
        small_disk.clear()
        client.wait_for_acks()
    collector.kill()
    collector.restart()
    assert resume_from(collector, 1, 19) == 0
    assert collector.stop() == 0
    assert log_content(collector) == block(1) + blocks(range(2, 20), lines=2000)


@pytest.mark.parametrize("frames", ["lines", "syslog"])
def test_rotation_between_block_and_ack_acknowledges_only_durable_blocks(
    logd: StartLogd, frames: str, faults: Faults
) -> None:
    collector = logd("--rotate-size=64KiB", prefix=faults.prefix)
    with connect(collector.port, (STREAM, 1) if frames == "lines" else None) as client:
        client.welcome()
        with faults.failing(collector, "posix/io/sync/fdatasync", errno.EIO):
            client.send(block(1, lines=2000))
            wait_for(lambda: collector.records("cannot sync"))
            client.send(block(2, lines=2000))
            collector.signal(signal.SIGHUP)
            client.read(0.3)
            assert client.acked == 0
        client.wait_for_acks()
    assert collector.stop() == 0
    assert log_content(collector) == blocks([1, 2], lines=2000)


def test_sigterm_while_the_disk_hangs_ends_within_the_grace_time_and_acknowledges_nothing(
    freezable: FreezableDisk, logd: StartLogd
) -> None:
    collector = logd("--grace=1s", log=freezable.path / "node_log")
    with freezable.frozen():
        client = connect(collector.port, (STREAM, 1))
        wait_for(lambda: collector.metric("nodelog_relp_frames_total") == 1)
        collector.signal(signal.SIGTERM)
        wait_for(lambda: collector.records("stopped"))
    assert collector.wait() == 1
    client.until_ended()
    assert client.events == []
    client.sock.close()
    collector.restart()
    assert resume_from(collector, 1, 3) == 3
    assert collector.stop() == 0
    assert log_content(collector) == blocks([1, 2, 3])
