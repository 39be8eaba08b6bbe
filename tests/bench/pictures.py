"""A cell as bars, for the documents: SVG that needs nothing else and is readable in dark and light."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.tables import HEADS, LESS_IS_BETTER

if TYPE_CHECKING:
    from tests.bench.cells import Cell
    from tests.bench.measuring import Figures

WIDTH, LEFT, RIGHT = 720, 110, 90
BAR, GAP, TOP = 20, 10, 60
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#777}.title{font-size:15px}"
    ".bar{fill:#8aa0b4}.ours{fill:#2a7de1}.range{stroke:#777;stroke-width:1.5}"
)


def picture(cell: Cell, results: dict[str, list[Figures]]) -> str:
    """Draw the first figure of a cell: a bar up to the median, a thin line from the lowest to the highest."""
    name = cell.shown[0]
    values = {system: [run[name] for run in runs] for system, runs in results.items() if runs}
    most = max((max(each) for each in values.values()), default=0.0) or 1.0
    height = TOP + len(values) * (BAR + GAP)
    better = "less is better" if name in LESS_IS_BETTER else "more is better"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(cell.title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(cell.title)}</text>',
        f'<text x="0" y="40">{HEADS[name][0]}, {better}</text>',
    ]
    for number, (system, each) in enumerate(values.items()):
        parts += _bar(system, each, most, TOP + number * (BAR + GAP), HEADS[name][1](median(each)))
    return "\n".join([*parts, "</svg>", ""])


def _bar(system: str, values: list[float], most: float, top: int, text: str) -> list[str]:
    scale = (WIDTH - LEFT - RIGHT) / most
    low, middle, high = (LEFT + scale * value for value in (min(values), median(values), max(values)))
    line, under = top + BAR / 2, top + BAR - 5
    kind = "ours" if system.startswith("logd") else "bar"
    width = max(1.0, middle - LEFT)
    return [
        f'<text x="{LEFT - 8}" y="{under}" text-anchor="end">{escape(system)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{line}" y2="{line}"/>',
        f'<text x="{high + 8:.1f}" y="{under}">{text}</text>',
    ]
