import json

from nodeagent.tail.event_stream import encode_event, encode_failure, fit_lines
from nodeagent.tail.log_follower import Lines, Skipped, Truncated

ROOM = 1 << 16


def test_no_byte_of_a_line_is_part_of_the_protocol() -> None:
    lines = [b"\r\n\r\nevent: lines", b"</script>\xff\x1b[2J", "\u2028".encode()]
    encoded, _ = encode_event(Lines(lines), b"", ROOM)
    head, body, end = encoded.split(b"\n", 2)
    assert (head, end) == (b"event: lines", b"\n")
    assert all(32 <= byte < 127 for byte in body)
    texts = json.loads(body.removeprefix(b"data: "))
    assert [text.encode(errors="surrogateescape") for text in texts] == lines


def test_lines_without_the_wanted_text_are_not_sent() -> None:
    assert encode_event(Lines([b"a"]), b"b", ROOM) == (b"", 0)
    assert encode_event(Skipped(5), b"b", ROOM) == (b'event: skipped\ndata: {"bytes": 5}\n\n', 5)
    assert encode_event(Truncated(), b"b", ROOM) == (b"event: truncated\ndata: {}\n\n", 0)


def test_lines_that_do_not_fit_once_encoded_are_skipped_and_reported() -> None:
    lines = [b"one", b"\0" * 10, b"three"]
    nulls = '"' + "\\u0000" * 10 + '"'
    assert fit_lines(lines, b"", 100) == (['"one"', nulls, '"three"'], 0)
    assert fit_lines(lines, b"", 73) == ([nulls, '"three"'], len(b"one\n"))
    assert fit_lines(lines, b"", 20) == (['"three"'], len(b"one\n") + 11)
    assert fit_lines(lines, b"e", 20) == (['"one"', '"three"'], 0)
    assert fit_lines(lines, b"", 0) == ([], len(b"one\nthree\n") + 11)
    encoded = b'event: skipped\ndata: {"bytes": 15}\n\nevent: lines\ndata: ["three"]\n\n'
    assert encode_event(Lines(lines), b"", 20) == (encoded, 15)


def test_a_failure_is_one_event() -> None:
    assert encode_failure("no\ndisk") == b'event: failed\ndata: {"why": "no\\ndisk"}\n\n'
