from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest
from tests.deploy.dashboard import Panel, panels
from tests.deploy.dashboard_svg import Curve, draw_dashboard, format_value

SVG = "{http://www.w3.org/2000/svg}"


def draw(*curves: Curve) -> ET.Element:
    panel = Panel(title="a < b", row="Row", unit="bytes", position=(0, 0, 8, 7), queries=[])
    return ET.fromstring(draw_dashboard("A node", [(panel, curves)], 10.0))  # noqa: S314 (our own text)


def test_every_panel_of_the_dashboard_is_in_the_drawing() -> None:
    text = draw_dashboard("A node", [(panel, []) for panel in panels()], 10.0)
    titles = [each.text for each in ET.fromstring(text).iter(f"{SVG}text")]  # noqa: S314 (as above)
    assert {panel.title for panel in panels()} <= set(titles)


def test_a_curve_is_interrupted_where_it_is_infinite() -> None:
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, math.inf), (3.0, 2.0), (4.0, 0.0)]
    assert len(list(draw(Curve("x", points)).iter(f"{SVG}polyline"))) == 2


def test_many_curves_are_all_drawn() -> None:
    assert len(list(draw(*[Curve(str(n), [(0.0, 1.0)]) for n in range(20)]).iter(f"{SVG}polyline"))) == 20


def test_a_panel_without_data_is_drawn_too() -> None:
    assert [each.text for each in draw().iter(f"{SVG}text")][2] == "a < b"


def test_the_largest_value_is_at_the_top_and_the_smallest_at_the_bottom() -> None:
    (line,) = draw(Curve("x", [(0.0, 0.0), (10.0, 4096.0)])).iter(f"{SVG}polyline")
    assert line.get("points") == "60.0,116.0 300.0,24.0"


@pytest.mark.parametrize(
    ("value", "unit", "largest", "text"),
    [
        (1536, "bytes", 2048, "1.5 KiB"),
        (0, "s", 0.004, "0 ms"),
        (0.5, "percentunit", 1, "50 %"),
        (3, "short", 3, "3"),
        (1480, "opm", 1480, "1,480 /min"),
    ],
)
def test_a_value_is_formatted_in_the_unit_of_its_axis(
    value: float, unit: str, largest: float, text: str
) -> None:
    assert format_value(value, unit, largest) == text
