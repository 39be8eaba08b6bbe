from pathlib import Path

from deploy.pods import acknowledged


def test_what_a_client_says_at_its_end_is_what_was_acknowledged(tmp_path: Path) -> None:
    errors = tmp_path / "client-1.errors"
    errors.write_text("nodelog greet: 3 lines sent to 127.0.0.1 port 6666, 2 acknowledged\n")
    assert acknowledged(errors) == 2
    errors.write_text("Killed\n")
    assert acknowledged(errors) == 0
