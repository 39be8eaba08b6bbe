import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.collector.store.journal_format import CLOSED, Header, JournalError, Record, decode

NUMBERS = st.integers(0, 2**64 - 1)
STREAMS = st.dictionaries(st.binary(min_size=16, max_size=16), NUMBERS, max_size=5)
HEADERS = st.builds(
    Header,
    generation=NUMBERS,
    device=NUMBERS,
    inode=NUMBERS,
    base=st.integers(0, 2**40),
    first_batch=st.integers(1, 2**40),
    last_sealed=NUMBERS,
    created_at=st.floats(0, 2**40),
    boot_id=st.binary(min_size=16, max_size=16),
    streams=STREAMS,
)


@st.composite
def journals(draw: st.DrawFn) -> tuple[Header, list[Record]]:
    """Draw a journal as the store writes it, with consecutive records."""
    header = draw(HEADERS)
    number, end = header.first_batch, header.base
    records = []
    for size in draw(st.lists(st.integers(0, 2**21), max_size=6)):
        records.append(
            Record(
                number=number,
                start=end,
                end=end + size,
                durable=draw(st.integers(0, end)),
                crc=draw(st.integers(0, 2**32 - 1)),
                last_blocks=draw(STREAMS),
                flags=draw(st.sampled_from([0, CLOSED])),
            )
        )
        number, end = number + 1, end + size
    return header, records


def encoded(header: Header, records: list[Record]) -> bytes:
    return header.encode() + b"".join(record.encode() for record in records)


@given(journals(), st.integers(0, 200))
def test_a_journal_decodes_to_what_was_encoded_whatever_space_follows(
    journal: tuple[Header, list[Record]], space: int
) -> None:
    assert decode(encoded(*journal) + bytes(space)) == journal


@given(journals(), st.data())
def test_a_journal_cut_anywhere_decodes_to_its_complete_records(
    journal: tuple[Header, list[Record]], data: st.DataObject
) -> None:
    header, records = journal
    whole = encoded(header, records)
    cut = data.draw(st.integers(0, len(whole)))
    if cut < len(header.encode()):
        with pytest.raises(JournalError):
            decode(whole[:cut])
        return
    ends = [len(encoded(header, records[:count])) for count in range(len(records) + 1)]
    assert decode(whole[:cut]) == (header, records[: sum(end <= cut for end in ends) - 1])


@given(journals(), st.data())
def test_a_flipped_bit_ends_the_records_there_and_never_adds_one(
    journal: tuple[Header, list[Record]], data: st.DataObject
) -> None:
    header, records = journal
    damaged = bytearray(encoded(header, records))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found_header, found = decode(bytes(damaged))
    except JournalError:
        return
    assert found_header == header
    assert found == records[: len(found)]
    assert len(found) < len(records)


@given(st.binary(max_size=300))
def test_foreign_bytes_are_not_a_journal(foreign: bytes) -> None:
    with pytest.raises(JournalError):
        decode(foreign)


def test_a_newer_format_version_is_refused() -> None:
    header = Header(
        generation=1,
        device=2,
        inode=3,
        base=0,
        first_batch=1,
        last_sealed=0,
        created_at=0.0,
        boot_id=bytes(16),
    ).encode()
    with pytest.raises(JournalError, match="version 7, this program knows 1"):
        decode(header[:8] + b"\x07\x00" + header[10:])


def test_a_record_that_does_not_follow_the_last_one_ends_the_journal() -> None:
    header = Header(
        generation=1,
        device=2,
        inode=3,
        base=10,
        first_batch=1,
        last_sealed=0,
        created_at=0.0,
        boot_id=bytes(16),
    )
    first = Record(number=1, start=10, end=20, durable=10, crc=0)
    gap = Record(number=2, start=21, end=30, durable=10, crc=0)
    skipped = Record(number=3, start=20, end=30, durable=10, crc=0)
    assert decode(encoded(header, [first, gap]))[1] == [first]
    assert decode(encoded(header, [first, skipped]))[1] == [first]
