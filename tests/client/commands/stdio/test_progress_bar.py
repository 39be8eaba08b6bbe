from nodelog.commands.stdio.progress_bar import render_bar


def test_it_says_how_much_how_fast_and_how_long() -> None:
    assert render_bar("reading", 250_000_000, 1_000_000_000, 2.0) == (
        "reading [########                      ]  25%  125 MB/s  6 s left"
    )


def test_of_nothing_all_is_read() -> None:
    assert render_bar("reading", 0, 0, 0.0).endswith("100%  0 MB/s  0 s left")
