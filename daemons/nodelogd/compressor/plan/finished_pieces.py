"""Compare the whole MiBs of a log with their checksums: its content shows what its times do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelogd.compressor.format.units import CHUNK
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nodelogd.compressor.scan.log_reader import LogReader

ZEROS_CRC: Final = crc32(bytes(CHUNK))


def finished_pieces_match(log: LogReader, checksums: Sequence[int], check_stop: Callable[[], None]) -> bool:
    """Return whether a log has these CRC-32 of its first MiBs.

    Raises ShrankError, UnreadableError, and what `check_stop` raises, which is called before each.
    """
    for number, checksum in enumerate(checksums):
        check_stop()
        offset = number * CHUNK
        if checksum != (ZEROS_CRC if log.is_hole(offset, CHUNK) else crc32(log.read(offset, CHUNK))):
            return False
    return True
