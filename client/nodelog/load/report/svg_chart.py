"""Line charts as SVG, for a self-contained page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 860
_HEIGHT: Final = 260
_LEFT: Final = 70
_BOTTOM: Final = 36
_TOP: Final = 12
_RIGHT: Final = 14

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SvgChart:
    """One curve with its axes. Points and ticks are in the same units; each tick has a label."""

    title: str
    points: Sequence[Point]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    marks: Sequence[tuple[float, str]] = ()
    """Vertical lines at these x values, each with a label."""

    def render(self) -> str:
        """Return the chart as SVG."""
        parts = [
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            *(self._y_tick(value, label) for value, label in self.y_ticks),
            *(self._x_tick(value, label) for value, label in self.x_ticks),
            *(self._mark(value, label) for value, label in self.marks),
        ]
        if self.points:
            path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in self.points)
            parts.append(f'<polyline class="curve" points="{path}"/>')
        return "\n".join([*parts, "</svg>"])

    def _y_tick(self, value: float, label: str) -> str:
        y = self._y(value)
        line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        return f'{line}<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'

    def _x_tick(self, value: float, label: str) -> str:
        x = self._x(value)
        return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{escape(label)}</text>'

    def _mark(self, value: float, label: str) -> str:
        x = self._x(value)
        title = f"<title>{escape(label)}</title>"
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"'
        return f'<line class="mark" {ends}>{title}</line>'

    def _x(self, value: float) -> float:
        return _LEFT + _position(value, [tick for tick, _ in self.x_ticks]) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        height = _HEIGHT - _BOTTOM - _TOP
        return _HEIGHT - _BOTTOM - _position(value, [tick for tick, _ in self.y_ticks]) * height


def axis_ticks(maximum: float) -> list[float]:
    """Return five to eleven round numbers from 0 to just above `maximum`; 0 and 1 if it is not positive."""
    if maximum <= 0:
        return [0.0, 1.0]
    step = 10.0 ** len(str(int(maximum)))
    while step * 4 > maximum:
        for part in (2, 2.5, 2):  # 10, 5, 2, 1
            if step * 4 > maximum:
                step /= part
    count = int(maximum / step) + 1
    return [step * number for number in range(count + 1)]


def _position(value: float, bounds: list[float]) -> float:
    return (value - bounds[0]) / ((bounds[-1] - bounds[0]) or 1.0)
