"""Curves as SVG, for a page that needs nothing from elsewhere."""

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
class Chart:
    """One curve with its axes. `points` and ticks are in the same units; a tick has its text."""

    title: str
    points: Sequence[Point]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    marks: Sequence[tuple[float, str]] = ()
    """Moments to be seen in the curve, each with its text."""

    def svg(self) -> str:
        """Draw it."""
        parts = [
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            *(self._line_up(at, text) for at, text in self.up),
            *(self._line_across(at, text) for at, text in self.across),
            *(self._mark(at, text) for at, text in self.marks),
        ]
        if self.points:
            path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in self.points)
            parts.append(f'<polyline class="curve" points="{path}"/>')
        return "\n".join([*parts, "</svg>"])

    def _line_up(self, at: float, text: str) -> str:
        y = self._y(at)
        line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        return f'{line}<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'

    def _line_across(self, at: float, text: str) -> str:
        x = self._x(at)
        return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{escape(text)}</text>'

    def _mark(self, at: float, text: str) -> str:
        x = self._x(at)
        title = f"<title>{escape(text)}</title>"
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"'
        return f'<line class="mark" {ends}>{title}</line>'

    def _x(self, value: float) -> float:
        return _LEFT + _share(value, [at for at, _ in self.across]) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - _share(value, [at for at, _ in self.up]) * (_HEIGHT - _BOTTOM - _TOP)


def ticks(most: float) -> list[float]:
    """Give round numbers from 0 to just above `most`, four to ten of them."""
    if most <= 0:
        return [0.0, 1.0]
    step = 10.0 ** len(str(int(most)))
    while step * 4 > most:
        for part in (2, 2.5, 2):  # 10, 5, 2, 1
            if step * 4 > most:
                step /= part
    count = int(most / step) + 1
    return [step * number for number in range(count + 1)]


def _share(value: float, bounds: list[float]) -> float:
    return (value - bounds[0]) / ((bounds[-1] - bounds[0]) or 1.0)
