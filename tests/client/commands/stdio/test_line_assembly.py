from hypothesis import given
from hypothesis import strategies as st

from nodelog.commands.stdio.line_assembly import LineAssembler


@given(st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"x", b"\n"))))
def test_any_cut_of_the_bytes_gives_the_same_lines(parts: list[bytes]) -> None:
    lines = LineAssembler()
    batches = [batch for part in parts for batch in lines.feed(part)]
    rest = lines.finish()
    data = b"".join(parts)
    assert b"".join(batches) + rest == data + (b"\n" if data and not data.endswith(b"\n") else b"")
    assert all(batch.endswith(b"\n") for batch in batches)
    assert lines.finish() == b""
