"""One page about one load: nothing in it comes from elsewhere, so it can be kept and sent around."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from nodelog.load.generator.coordinator import BEGINNING
from nodelog.load.report.svg_chart import Chart, ticks
from nodelog.load.report.totals import to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nodelog.load.generator.coordinator import Moment
    from nodelog.load.generator.latency_histogram import Latency
    from nodelog.load.generator.settings import Settings
    from nodelog.load.report.totals import Totals

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; font-size: 13px }
table { border-collapse: collapse } td, th { padding: .2rem 1rem .2rem 0; text-align: left }
svg { width: 100% } text { font-size: 12px; fill: #555 }
.grid { stroke: #ddd } .mark { stroke: #c33; stroke-dasharray: 3 3 }
.curve { fill: none; stroke: #27c; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #ddd } pre { background: #222 } text { fill: #aaa }
  .grid { stroke: #333 } .curve { stroke: #6af }
}
"""
_LEVELS: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)


def page(
    settings: Settings, totals: Totals, moments: Sequence[Moment], latency: Latency, acks: Latency
) -> str:
    """Give the page as HTML."""
    name = escape(f"Load {settings.run}")
    errors = "".join(
        f"<tr><td>{count}</td><td>{escape(error)}</td></tr>" for error, count in totals.errors.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style></head><body>
<h1>{name}</h1>
<pre>{escape(chr(10).join(to_text(settings, totals)))}</pre>
<h2>Rate over time, MB/s</h2>
{_rate(settings, moments).svg()}
<p>{_reconnects(moments)}</p>
<h2>Latency by percentile, milliseconds</h2>
{_latencies(latency, totals.latency_us) if totals.latency_us else "<p>Nothing was sent.</p>"}
{_acknowledged(acks, totals.ack_latency_us)}
<h2>Errors</h2>
{f"<table><tr><th>times</th><th>error</th></tr>{errors}</table>" if errors else "<p>None.</p>"}
</body></html>
"""


def _rate(settings: Settings, moments: Sequence[Moment]) -> Chart:
    points = [
        (
            (one.seconds + other.seconds) / 2,
            (other.lines - one.lines) * settings.line_size / 1e6 / max(other.seconds - one.seconds, 1e-9),
        )
        for one, other in pairwise([BEGINNING, *moments])
    ]
    up = ticks(max((rate for _, rate in points), default=1.0))
    across = ticks(max((moment.seconds for moment in moments), default=1.0))
    return Chart(
        title="rate over time",
        points=points,
        across=[(at, f"{at:g} s") for at in across],
        up=[(at, f"{at:g}") for at in up],
        marks=[
            (other.seconds, f"{other.reconnects - one.reconnects} reconnects")
            for one, other in pairwise([BEGINNING, *moments])
            if other.reconnects > one.reconnects
        ],
    )


def _reconnects(moments: Sequence[Moment]) -> str:
    count = moments[-1].reconnects if moments else 0
    return (
        f"{count} reconnects; each tenth of a second with some is a dashed line."
        if count
        else "No reconnects."
    )


def _acknowledged(acks: Latency, figures: dict[str, int]) -> str:
    if not figures:
        return ""
    return f"<h2>Time until the acknowledgement, milliseconds</h2>\n{_latencies(acks, figures)}"


def _latencies(latency: Latency, figures: dict[str, int]) -> str:
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{microseconds / 1000:,.3f} ms</td></tr>"
        for label, microseconds in figures.items()
    )
    return f"{_latency(latency).svg()}\n<table>{rows}</table>"


def _latency(latency: Latency) -> Chart:
    """Draw both axes by their logarithms: the interesting part is the last thousandth."""
    curve = [(level, max(microseconds, 1)) for level, microseconds in latency.curve()]
    deepest = max((_depth(level) for level, _ in curve if level < 100), default=1.0)  # noqa: PLR2004 (per cent)
    levels = [level for level in _LEVELS if _depth(level) < math.ceil(deepest) - 0.5]
    most = math.ceil(math.log10(max(microseconds for _, microseconds in curve)))
    least = min(math.floor(math.log10(curve[0][1])), most - 1)
    return Chart(
        title="latency by percentile",
        points=[
            (min(_depth(level), math.ceil(deepest)), math.log10(microseconds))
            for level, microseconds in curve
        ],
        across=[(_depth(level), f"{level:g} %") for level in levels] + [(math.ceil(deepest), "100 %")],
        up=[(power, f"{10.0 ** (power - 3):g}") for power in range(least, most + 1)],
    )


def _depth(level: float) -> float:
    """Give how many nines a percentile has."""
    return -math.log10(max(1 - level / 100, 1e-9))
