"""Draws the panels of the dashboard as one SVG for the documents: no scripts, readable on dark and light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.deploy.dashboard import Panel

COLUMNS = 3
WIDTH, HEIGHT, GAP = 300, 172, 20
LEFT, TOP, BOTTOM = 60, 24, 56  # margins of a panel, around its curves
ROW_HEIGHT = 30
LETTER_WIDTH = 6  # approximately
COLOURS = ("#2a7de1", "#d9822b", "#3a9d5d", "#a45ad0", "#c23b3b", "#8aa0b4")
STYLE = (
    "text{font:10px system-ui,sans-serif;fill:#777}.row{font-size:15px}.title{font-size:12px}"
    "polyline{fill:none;stroke-width:1.5;stroke-linecap:round}.axis{stroke:#7775;stroke-width:1}"
)
SCALES = {
    "s": ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "Bps": ((2**30, "GiB/s"), (2**20, "MiB/s"), (2**10, "KiB/s"), (1, "B/s")),
    "ops": ((1000, "k/s"), (1, "/s")),
    "opm": ((1, "/min"),),
    "percentunit": ((0.01, "%"),),
}


@dataclass(frozen=True, slots=True)
class Curve:
    """A named series; times are seconds since the start."""

    name: str
    points: Sequence[tuple[float, float]]


def draw_dashboard(title: str, drawings: Sequence[tuple[Panel, Sequence[Curve]]], seconds: float) -> str:
    """Draw all panels, row by row."""
    parts: list[str] = []
    top, column, row = 26, 0, ""
    for panel, curves in drawings:
        if panel.row != row:
            top += (HEIGHT + GAP) * bool(row)
            parts.append(f'<text class="row" x="0" y="{top + 18}">{escape(panel.row)}</text>')
            top, column, row = top + ROW_HEIGHT, 0, panel.row
        elif column == COLUMNS:
            top, column = top + HEIGHT + GAP, 0
        parts += [f'<g transform="translate({column * (WIDTH + GAP)} {top})">']
        parts += [*_panel(panel, curves, seconds), "</g>"]
        column += 1
    width, height = COLUMNS * (WIDTH + GAP) - GAP, top + HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    name = f'<text class="row" x="0" y="14">{escape(title)}</text>'
    return "\n".join(
        [head, f"<title>{escape(title)}</title><style>{STYLE}</style>", name, *parts, "</svg>", ""]
    )


def _panel(panel: Panel, curves: Sequence[Curve], seconds: float) -> list[str]:
    values = [value for curve in curves for _, value in curve.points if math.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    low, high = min(0.0, low), high if high > 0 else low + 1.0 if low == 0 else 0.0
    parts = [f'<text class="title" x="0" y="12">{escape(panel.title)}</text>']
    for at in (low, (low + high) / 2, high):
        y = _y(at, low, high)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = format_value(at, panel.unit, max(abs(low), high))
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{text}</text>')
    for at, anchor in ((0.0, "start"), (seconds, "end")):
        x, y = _x(at, seconds), HEIGHT - BOTTOM + 13
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{at:.0f} s</text>')
    for curve, colour in zip(curves, cycle(COLOURS), strict=False):
        parts += [
            f'<polyline stroke="{colour}" points="{piece}"/>'
            for piece in _line_points(curve, seconds, low, high)
        ]
    return [*parts, *_legend(curves)]


def _line_points(curve: Curve, seconds: float, low: float, high: float) -> list[str]:
    """Return the points of a curve, interrupted where it has no finite value."""
    pieces: list[list[str]] = [[]]
    for at, value in curve.points:
        if math.isfinite(value):
            pieces[-1].append(f"{_x(at, seconds):.1f},{_y(value, low, high):.1f}")
        elif pieces[-1]:
            pieces.append([])
    # A single point becomes a line from itself to itself, which is drawn as a dot.
    return [" ".join(piece * 2 if len(piece) == 1 else piece) for piece in pieces if piece]


def _legend(curves: Sequence[Curve]) -> list[str]:
    """Name the curves, in at most three lines."""
    parts, x, y = [], LEFT, HEIGHT - 29
    for curve, colour in zip(curves, cycle(COLOURS), strict=False):
        width = LETTER_WIDTH * len(curve.name)
        if x > LEFT and x + width > WIDTH:
            x, y = LEFT, y + 12
        if curve.name and y < HEIGHT:
            parts.append(f'<text x="{x}" y="{y}" style="fill:{colour}">{escape(curve.name)}</text>')
            x += width + LETTER_WIDTH
    return parts


def format_value(value: float, unit: str, largest: float) -> str:
    """Format a value in the unit that suits the largest value on its axis."""
    scales = SCALES.get(unit, ((1, ""),))
    size, name = next((scale for scale in scales if largest >= scale[0]), scales[-1])
    scaled = value / size
    return (f"{scaled:,.0f} {name}" if abs(scaled) >= 1000 else f"{scaled:.3g} {name}").strip()


def _x(at: float, seconds: float) -> float:
    return LEFT + at / seconds * (WIDTH - LEFT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP)
