from nodelog.commands.stdio.progress_bar import render_bar


def test_the_bar_shows_fraction_rate_and_time_left() -> None:
    assert render_bar("reading", 250_000_000, 1_000_000_000, 2.0) == (
        "reading [########                      ]  25%  125 MB/s  6 s left"
    )


def test_an_empty_file_is_complete() -> None:
    assert render_bar("reading", 0, 0, 0.0).endswith("100%  0 MB/s  0 s left")
