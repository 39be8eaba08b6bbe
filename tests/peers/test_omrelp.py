"""rsyslog's omrelp, as packaged by Debian, as a client: every line arrives at least once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.numbered_lines import log_pieces
from tests.peers.rsyslog import rsyslog
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.logd import Logd, StartLogd

MESSAGES = 10_000
KILLS = 3
CONFIG = """
global(workDirectory="{folder}" maxMessageSize="8k")
module(load="imfile")
module(load="omrelp")
input(type="imfile" file="{folder}/input" tag="app" ruleset="send")
template(name="bare" type="string" string="%msg%")
ruleset(name="send" queue.type="LinkedList" queue.size="20000" queue.filename="spool") {{
    action(type="omrelp" target="127.0.0.1" port="{port}" template="bare" conn.timeout="2" rebindInterval="0"
           action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1")
}}
"""


def stored_lines(collector: Logd) -> Counter[bytes]:
    return Counter(line for piece in log_pieces(collector.log) for line in piece.splitlines())


def test_omrelp_loses_nothing_while_the_collector_is_killed_repeatedly(
    logd: StartLogd, tmp_path: Path
) -> None:
    collector = logd()
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    sent = [b"message %06d of a pod" % number for number in range(MESSAGES)]
    (folder / "input").write_bytes(b"\n".join(sent) + b"\n")
    with rsyslog(folder, CONFIG.format(folder=folder, port=collector.port)):
        for kill in range(1, KILLS + 1):
            wait_for(lambda least=kill: len(stored_lines(collector)) >= least * MESSAGES // (KILLS + 1))  # type: ignore[misc]
            collector.kill()
            collector.restart()
        wait_for(lambda: len(stored_lines(collector)) == MESSAGES, patience=90)
    assert collector.stop() == 0
    stored = stored_lines(collector)
    assert stored.keys() == set(sent)
    doubled = stored.total() - MESSAGES  # at least once: stored lines without an ack are sent again
    assert doubled <= KILLS * 1024
