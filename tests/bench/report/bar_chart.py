"""A cell as a bar chart for the documents: self-contained SVG, readable in dark and light mode."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.report.tables import COLUMNS, LESS_IS_BETTER

if TYPE_CHECKING:
    from tests.bench.collectors.cells import Cell
    from tests.bench.collectors.measurements import Figures

WIDTH, LEFT, RIGHT = 720, 110, 90
BAR, GAP, TOP = 20, 10, 60
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#777}.title{font-size:15px}"
    ".bar{fill:#8aa0b4}.ours{fill:#2a7de1}.range{stroke:#777;stroke-width:1.5}"
)


def bar_chart(cell: Cell, results: dict[str, list[Figures]]) -> str:
    """Draw the first figure of a cell: bars up to the median, thin lines from the lowest to the highest."""
    name = cell.shown[0]
    values = {system: [run[name] for run in runs] for system, runs in results.items() if runs}
    most = max((max(runs) for runs in values.values()), default=0.0) or 1.0
    height = TOP + len(values) * (BAR + GAP)
    better = "less is better" if name in LESS_IS_BETTER else "more is better"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(cell.title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(cell.title)}</text>',
        f'<text x="0" y="40">{COLUMNS[name][0]}, {better}</text>',
    ]
    for number, (system, runs) in enumerate(values.items()):
        parts += _bar(system, runs, most, TOP + number * (BAR + GAP), COLUMNS[name][1](median(runs)))
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
