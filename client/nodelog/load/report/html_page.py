"""A self-contained HTML page about one load: it loads nothing else, so it can be kept and sent to others."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from nodelog.load.generator.coordinator import START_SAMPLE
from nodelog.load.report.svg_chart import SvgChart, axis_ticks
from nodelog.load.report.totals import to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nodelog.load.generator.coordinator import ProgressSample
    from nodelog.load.generator.latency_histogram import LatencyHistogram
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
_PERCENTILES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)
_MAXIMUM: Final = 100.0
"""The percentile that is the maximum."""


def render_page(
    settings: Settings,
    totals: Totals,
    samples: Sequence[ProgressSample],
    latency: LatencyHistogram,
    ack_latency: LatencyHistogram,
) -> str:
    """Return the page as HTML."""
    name = escape(f"Load {settings.run}")
    errors = "".join(
        f"<tr><td>{count}</td><td>{escape(error)}</td></tr>" for error, count in totals.errors.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style></head><body>
<h1>{name}</h1>
<pre>{escape(chr(10).join(to_text(settings, totals)))}</pre>
<h2>Rate over time, MB/s</h2>
{_rate_chart(settings, samples).render()}
<p>{_reconnects(samples)}</p>
<h2>Latency by percentile, milliseconds</h2>
{_latency(latency, totals.latency_us) if totals.latency_us else "<p>Nothing was sent.</p>"}
{_ack_latency(ack_latency, totals.ack_latency_us)}
<h2>Errors</h2>
{f"<table><tr><th>times</th><th>error</th></tr>{errors}</table>" if errors else "<p>None.</p>"}
</body></html>
"""


def _rate_chart(settings: Settings, samples: Sequence[ProgressSample]) -> SvgChart:
    points = [
        (
            (one.seconds + other.seconds) / 2,
            (other.lines - one.lines) * settings.line_size / 1e6 / max(other.seconds - one.seconds, 1e-9),
        )
        for one, other in pairwise([START_SAMPLE, *samples])
    ]
    y_ticks = axis_ticks(max((rate for _, rate in points), default=1.0))
    x_ticks = axis_ticks(max((sample.seconds for sample in samples), default=1.0))
    return SvgChart(
        title="rate over time",
        points=points,
        x_ticks=[(seconds, f"{seconds:g} s") for seconds in x_ticks],
        y_ticks=[(rate, f"{rate:g}") for rate in y_ticks],
        marks=[
            (other.seconds, f"{other.reconnects - one.reconnects} reconnects")
            for one, other in pairwise([START_SAMPLE, *samples])
            if other.reconnects > one.reconnects
        ],
    )


def _reconnects(samples: Sequence[ProgressSample]) -> str:
    count = samples[-1].reconnects if samples else 0
    return (
        f"{count} reconnects; each tenth of a second with some is a dashed line."
        if count
        else "No reconnects."
    )


def _ack_latency(ack_latency: LatencyHistogram, summary: dict[str, int]) -> str:
    if not summary:
        return ""
    return f"<h2>Time until the acknowledgement, milliseconds</h2>\n{_latency(ack_latency, summary)}"


def _latency(latency: LatencyHistogram, summary: dict[str, int]) -> str:
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{microseconds / 1000:,.3f} ms</td></tr>"
        for label, microseconds in summary.items()
    )
    return f"{_latency_chart(latency).render()}\n<table>{rows}</table>"


def _latency_chart(latency: LatencyHistogram) -> SvgChart:
    """Return a chart with two logarithmic axes: the last thousandth is the interesting part."""
    curve = [(percentile, max(microseconds, 1)) for percentile, microseconds in latency.percentile_curve()]
    most_nines = max((_nines(percentile) for percentile, _ in curve if percentile < _MAXIMUM), default=1.0)
    percentiles = [p for p in _PERCENTILES if _nines(p) < math.ceil(most_nines) - 0.5]
    most = math.ceil(math.log10(max(microseconds for _, microseconds in curve)))
    least = min(math.floor(math.log10(curve[0][1])), most - 1)
    return SvgChart(
        title="latency by percentile",
        points=[
            (min(_nines(percentile), math.ceil(most_nines)), math.log10(microseconds))
            for percentile, microseconds in curve
        ],
        x_ticks=[(_nines(percentile), f"{percentile:g} %") for percentile in percentiles]
        + [(math.ceil(most_nines), "100 %")],
        y_ticks=[(power, f"{10.0 ** (power - 3):g}") for power in range(least, most + 1)],
    )


def _nines(percentile: float) -> float:
    """Return how many nines a percentile has."""
    return -math.log10(max(1 - percentile / 100, 1e-9))
