"""rsyslog's omfwd with octet counting, as packaged by Debian, as a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.peers.rsyslog import rsyslog
from tests.processes.daemon import LISTENING, port_in
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.logd import StartLogd

MESSAGES = 2000
CONFIG = """
global(workDirectory="{folder}" maxMessageSize="8k")
module(load="imfile")
input(type="imfile" file="{folder}/input" tag="app" ruleset="send")
template(name="bare" type="string" string="<14>app %msg%")
ruleset(name="send") {{
    action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"
           template="bare" action.resumeRetryCount="-1" action.resumeInterval="1")
}}
"""


def test_omfwd_with_octet_counting_becomes_one_line_per_message(logd: StartLogd, tmp_path: Path) -> None:
    collector = logd("--listen=127.0.0.1:0,framing=octet-counting")
    port = port_in(collector.records(LISTENING)[0]["listen"][1])
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    sent = [f"message {number:06} of a pod" for number in range(MESSAGES)]
    (folder / "input").write_text("\n".join(sent) + "\n")
    with rsyslog(folder, CONFIG.format(folder=folder, port=port)):
        wait_for(lambda: collector.text().count("\n") == MESSAGES)
    assert collector.text().splitlines() == [f"<14>app {text}" for text in sent]
    assert collector.stop() == 0
