from html.parser import HTMLParser

from nodelog.load.generator.coordinator import Moment, Record
from nodelog.load.generator.latency_histogram import Latency
from nodelog.load.generator.settings import Settings
from nodelog.load.generator.worker import Outcome
from nodelog.load.report.html_page import page
from nodelog.load.report.totals import total

SETTINGS = Settings(run="run", host="<host>")
MOMENTS = tuple(
    Moment(seconds=at / 10, lines=at * 1000, reconnects=2 if at > 5 else 0, open=64) for at in range(11)
)


def made(moments: tuple[Moment, ...], *microseconds: int, errors: dict[str, int] | None = None) -> str:
    latency = Latency()
    for value in microseconds:
        latency.add(value * 1000)
    outcome = Outcome(
        sent={"0": 10_000}, late=0, handed=10**9, read=10**9, cpu=0.5, connections_made=5, reconnects=2,
        errors=errors or {},
        latency=latency.encode(), ack_latency=Latency().encode(),
    )  # fmt: skip
    record = Record(start=0, outcomes=(outcome,), moments=moments, machine=0.5)
    merged, acks = Latency(), Latency()
    return page(SETTINGS, total(SETTINGS, record, merged, acks), moments, merged, acks)


class Tags(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one."""
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_shows_rate_latencies_errors_and_reconnects_and_loads_nothing() -> None:
    text = made(MOMENTS, *range(1, 2000), errors={"Connection reset by peer <x>": 2})
    tags = Tags()
    tags.feed(text)
    assert tags.loads == []
    assert "script" not in tags.tags
    assert text.count("<polyline") == 2
    assert text.count('class="mark"') == 1
    assert "<td>2</td><td>Connection reset by peer &lt;x&gt;</td>" in text
    assert "run to &lt;host&gt; port 6666" in text
    assert "<th>p50</th><td>1.000 ms</td>" in text
    assert "99.9 %" in text


def test_a_load_that_sent_nothing_has_a_page_too() -> None:
    text = made(())
    assert "Nothing was sent." in text
    assert "None." in text


def test_a_load_of_one_write_has_a_page_too() -> None:
    assert made(MOMENTS[:1], 5).count("<svg") == 2
