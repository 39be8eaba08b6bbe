import xml.etree.ElementTree as ET

import pytest

from nodelog.load.report.svg_chart import SvgChart, axis_ticks


@pytest.mark.parametrize("most", [0.001, 0.7, 1, 3.9, 4, 10, 99, 1234.5, 9_999_999])
def test_ticks_are_few_and_range_from_0_to_above_the_maximum(most: float) -> None:
    found = axis_ticks(most)
    assert found[0] == 0
    assert found[-2] <= most < found[-1]
    assert 5 <= len(found) <= 11


def test_a_maximum_of_zero_has_ticks_too() -> None:
    assert axis_ticks(0) == [0, 1]


def test_a_curve_stays_between_its_axes() -> None:
    chart = SvgChart(
        title="a < b",
        points=[(0, 0), (1, 5), (2, 10)],
        x_ticks=[(0, "0"), (2, "2")],
        y_ticks=[(0, "0"), (10, "ten & more")],
        marks=[(1, "here")],
    )
    drawn = ET.fromstring(chart.render())  # noqa: S314 (our own)
    curve = drawn.find("polyline")
    assert curve is not None
    points = [tuple(map(float, point.split(","))) for point in curve.attrib["points"].split()]
    assert points == [(70.0, 224.0), (458.0, 118.0), (846.0, 12.0)]
    assert [text.text for text in drawn.iter("text")] == ["0", "ten & more", "0", "2"]
    assert [title.text for title in drawn.iter("title")] == ["here"]
    assert drawn.attrib["aria-label"] == "a < b"
