from pathlib import Path

from deploy.demo_clients import acknowledged_lines


def test_the_acknowledged_lines_are_read_from_the_last_message(tmp_path: Path) -> None:
    errors = tmp_path / "client-1.errors"
    errors.write_text("nodelog greet: 3 lines sent to 127.0.0.1 port 6666, 2 acknowledged\n")
    assert acknowledged_lines(errors) == 2
    errors.write_text("Killed\n")
    assert acknowledged_lines(errors) == 0
