from html.parser import HTMLParser

from nodelog.load.generator.coordinator import LoadResult, ProgressSample
from nodelog.load.generator.latency_histogram import LatencyHistogram
from nodelog.load.generator.settings import Settings
from nodelog.load.generator.worker import WorkerResult
from nodelog.load.report.html_page import render_page
from nodelog.load.report.totals import add_up

SETTINGS = Settings(run="run", host="<host>")
SAMPLES = tuple(
    ProgressSample(seconds=at / 10, lines=at * 1000, reconnects=2 if at > 5 else 0, connections=64)
    for at in range(11)
)


def page(
    samples: tuple[ProgressSample, ...], *microseconds: int, errors: dict[str, int] | None = None
) -> str:
    latency = LatencyHistogram()
    for value in microseconds:
        latency.add(value * 1000)
    worker = WorkerResult(
        sent={"0": 10_000}, late=0, handed_at=10**9, read_at=10**9, cpu=0.5, connections_made=5,
        reconnects=2, errors=errors or {}, latency=latency.encode(),
        ack_latency=LatencyHistogram().encode(),
    )  # fmt: skip
    result = LoadResult(start=0, workers=(worker,), samples=samples, machine=0.5)
    merged, acks = LatencyHistogram(), LatencyHistogram()
    return render_page(SETTINGS, add_up(SETTINGS, result, merged, acks), samples, merged, acks)


class Tags(HTMLParser):
    """Collects the tags of a page, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag."""
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_shows_rate_latencies_errors_and_reconnects_and_loads_nothing() -> None:
    text = page(SAMPLES, *range(1, 2000), errors={"Connection reset by peer <x>": 2})
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
    text = page(())
    assert "Nothing was sent." in text
    assert "None." in text


def test_a_load_of_one_write_has_a_page_too() -> None:
    assert page(SAMPLES[:1], 5).count("<svg") == 2
