import zlib
from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from nodelogd.collector.store.journal_format import CLOSED, Header, Record
from nodelogd.collector.store.recovery import UNKNOWN_BOOT, RecoveryPoint, find_recovery_point

BOOT, OTHER_BOOT = b"this boot id....", b"another boot id."
STREAM = b"stream number 1."


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a collector wrote before it was killed, in the order of writing."""

    base: bytes
    batches: list[tuple[bytes, bool, bool]]  # lines, whether they carry a block, whether a sync followed
    boot: bytes = BOOT

    def journal(self, records: int, *, closed: bool = False) -> bytes:
        """Return the journal with the first `records` records."""
        header = Header(
            generation=1,
            device=1,
            inode=1,
            base=len(self.base),
            first_batch=5,
            last_sealed=0,
            created_at=0.0,
            boot_id=self.boot,
        )
        out, end, durable = header.encode(), len(self.base), len(self.base)
        for number, (lines, acked, synced) in enumerate(self.batches[:records]):
            last_blocks = {STREAM: number + 1} if acked else {}
            out += Record(
                number=5 + number,
                start=end,
                end=end + len(lines),
                durable=durable,
                crc=zlib.crc32(lines),
                last_blocks=last_blocks,
            ).encode()
            end += len(lines)
            durable = end if synced else durable
        if closed:
            mark = Record(number=5 + records, start=end, end=end, durable=end, crc=0, flags=CLOSED)
            out += mark.encode()
        return out + bytes(100)

    def file(self, batches: int) -> bytes:
        """Return the file with the first `batches` batches."""
        return self.base + b"".join(lines for lines, _, _ in self.batches[:batches])

    def blocks(self, batches: int) -> dict[bytes, int]:
        """Return the stream table at that time."""
        carrying = [number + 1 for number, (_, acked, _) in enumerate(self.batches[:batches]) if acked]
        return {STREAM: carrying[-1]} if carrying else {}


LINES = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"") + b"\n"), min_size=1, max_size=3)
RUNS = st.builds(
    Run,
    base=LINES.map(b"".join),
    batches=st.lists(st.tuples(LINES.map(b"".join), st.booleans(), st.booleans()), max_size=6),
)


def recover(journal: bytes, file: bytes, boot: bytes = BOOT) -> RecoveryPoint:
    return find_recovery_point(
        journal, len(file), lambda offset, size: file[offset : offset + size], boot_id=boot
    )


@given(RUNS, st.data())
def test_after_a_kill_at_any_byte_the_file_ends_in_whole_batches_and_the_table_has_exactly_those(
    run: Run, data: st.DataObject
) -> None:
    """A record precedes its batch, so at most one record has no batch or an incomplete one."""
    batches = data.draw(st.integers(0, len(run.batches)))
    records = data.draw(st.integers(batches, min(batches + 1, len(run.batches))))
    part = run.batches[batches][0] if records > batches else b""
    torn = part[: data.draw(st.integers(0, max(0, len(part) - 1)))]
    point = recover(run.journal(records), run.file(batches) + torn)
    assert point.end == len(run.file(batches))
    assert point.streams == run.blocks(batches)
    assert point.next_number == 5 + batches
    assert bool(point.cut_reason) == bool(torn)


@given(RUNS, st.data())
def test_after_a_power_loss_nothing_unrecorded_stays_and_nothing_durable_is_lost(
    run: Run, data: st.DataObject
) -> None:
    """Journal and file reach the disk in any order, each at least as far as the last sync."""
    synced = max((number + 1 for number, batch in enumerate(run.batches) if batch[2]), default=0)
    records = data.draw(st.integers(synced, len(run.batches)))
    length = data.draw(st.integers(len(run.file(synced)), len(run.file(len(run.batches)))))
    file = run.file(len(run.batches))[:length]
    lost = data.draw(st.integers(len(run.file(synced)), length))  # a page that never reached the disk: zeros
    file = file[:lost] + bytes(min(8, length - lost)) + file[lost + 8 :]
    point = recover(run.journal(records), file, OTHER_BOOT)
    kept = point.next_number - 5
    assert synced <= kept <= records
    assert file[: point.end] == run.file(kept)
    assert point.streams == run.blocks(kept)


@given(RUNS, st.binary(min_size=1, max_size=50))
def test_foreign_bytes_appended_after_a_kill_stay(run: Run, foreign: bytes) -> None:
    file = run.file(len(run.batches)) + foreign
    point = recover(run.journal(len(run.batches)), file)
    assert (point.end, point.cut_reason) == (len(file), "")
    assert point.streams == run.blocks(len(run.batches))


@given(RUNS, st.binary(min_size=1, max_size=50))
def test_bytes_behind_a_closed_end_stay_even_after_a_power_loss(run: Run, foreign: bytes) -> None:
    file = run.file(len(run.batches)) + foreign
    point = recover(run.journal(len(run.batches), closed=True), file, OTHER_BOOT)
    assert (point.end, point.cut_reason) == (len(file), "")


def test_two_unknown_boot_ids_never_count_as_the_same_boot() -> None:
    run = Run(base=b"", batches=[(b"one\n", True, False)], boot=UNKNOWN_BOOT)
    point = recover(run.journal(1), run.file(1) + b"two\n", UNKNOWN_BOOT)
    assert point.end == 4
    assert "lost when the machine crashed" in point.cut_reason


@given(RUNS, st.data())
@example(run=Run(base=b"a\n", batches=[(b"b\n", True, True), (b"c\n", False, False)]), data=None)
def test_a_truncated_file_is_not_cut_further_and_what_was_durable_counts_as_stored(
    run: Run, data: st.DataObject | None
) -> None:
    synced = max((number + 1 for number, batch in enumerate(run.batches[:-1]) if batch[2]), default=0)
    length = data.draw(st.integers(0, max(0, len(run.file(synced)) - 1))) if data else 1
    point = recover(run.journal(len(run.batches)), run.file(len(run.batches))[:length])
    assert point.end == min(length, len(run.file(synced)))
    assert point.streams == run.blocks(synced)


def test_durable_batches_are_not_read_again() -> None:
    run = Run(base=b"", batches=[(b"x" * 1000 + b"\n", False, True)] * 50 + [(b"end\n", True, False)])
    point = recover(run.journal(51), run.file(51))
    assert point.bytes_read == 4
