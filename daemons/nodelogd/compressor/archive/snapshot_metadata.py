"""What the header and the index say of a file, from its status at the snapshot."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from nodelog.archive.index import FileMetadata
from nodelogd.compressor.format import tar_headers
from nodelogd.compressor.plan.snapshots import Snapshot, settled_ctime
from nodelogd.compressor.scan.sparse_extents import Extent

if TYPE_CHECKING:
    from nodelogd.compressor.scan.listing import LogFile
    from nodelogd.compressor.scan.log_reader import LogReader


def snapshot_metadata(file: LogFile, log: LogReader, snapshot: Snapshot) -> FileMetadata:
    """Return the metadata of a file, without the checksums of its content."""
    status = log.status
    return FileMetadata(
        name=file.name,
        header=tar_headers.header_size(file.path[1:], sparse_map(log, snapshot.length)),
        length=snapshot.length,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=settled_ctime(status, log.now_ns, is_in_place=snapshot.is_in_place),
        device=status.st_dev,
        inode=status.st_ino,
        seen=status.st_size,
        head=0,
        finished=0,
        tail=0,
        holes=log.file_offset(snapshot.length) - snapshot.length,
    )


def sparse_map(log: LogReader, length: int) -> list[Extent]:
    """Return where the first `length` bytes of content are in a file whose holes are left out.

    Empty if none are left out. The last extent is empty and ends where the file does.
    """
    end = log.file_offset(length)
    if log.extents is None or end == length:
        return []
    return [*log.extents_until(length), Extent(end, 0)]


def link_metadata(file: LogFile, log: LogReader, target: str) -> FileMetadata:
    """Return the metadata of a hard link to another member."""
    snapshot = Snapshot(0, continues=False, is_in_place=False)
    metadata = snapshot_metadata(file, log, snapshot)._replace(seen=0, link=target)
    return metadata._replace(header=len(tar_headers.tar_header(metadata)))
