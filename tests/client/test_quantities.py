import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog import quantities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("17B", 17),
        ("64KiB", 65536),
        (" 64 KiB ", 65536),
        ("1.5MiB", 1572864),
        ("10GiB", 10 * 2**30),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_parsed_to_bytes(text: str, expected: int) -> None:
    assert quantities.parse_size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("2", 2.0),
        ("500ms", 0.5),
        ("0.1s", 0.1),
        ("15s", 15.0),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1.5h", 5400.0),
        ("7d", 604800.0),
    ],
)
def test_a_duration_is_parsed_to_seconds(text: str, expected: float) -> None:
    assert quantities.parse_duration(text) == expected


WRONG = [
    "",
    " ",
    "-1",
    "+1",
    "1e3",
    "1_000",
    "0x10",
    ".5",
    "5.",
    "1,5",
    "inf",
    "nan",
    "1 2",
    "12\n3",
    "\u0661",
    "9" * 40,
]


@pytest.mark.parametrize("text", [*WRONG, "KiB", "1kb", "1KB", "1kib", "1s", "1PiB"])
def test_an_invalid_size_is_refused_with_the_value_and_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="KiB, MiB, GiB or TiB") as refusal:
        quantities.parse_size(text)
    assert str(refusal.value).startswith(repr(text))


@pytest.mark.parametrize("text", [*WRONG, "ms", "1S", "1sec", "1w", "1KiB"])
def test_an_invalid_duration_is_refused_with_the_value_and_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"of ms, s, m \(min\), h or d") as refusal:
        quantities.parse_duration(text)
    assert str(refusal.value).startswith(repr(text))


def test_a_fraction_of_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'0\.3KiB' is not a whole number of bytes"):
        quantities.parse_size("0.3KiB")


@given(st.text())
def test_any_text_gives_a_value_or_a_value_error(text: str) -> None:
    for parse in (quantities.parse_size, quantities.parse_duration):
        try:
            assert parse(text) >= 0
        except ValueError as refusal:
            assert repr(text) in str(refusal)  # noqa: PT017 - most texts are refused, and some are not
