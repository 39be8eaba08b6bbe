"""Which errors of the disk are retried, and how often."""

from __future__ import annotations

import errno

RETRY_INTERVAL = 1.0  # seconds between two attempts at something that the disk refused

_PERMANENT = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip


def is_transient(error: OSError) -> bool:
    """Return whether a failed start may succeed later without an operator."""
    return error.errno not in _PERMANENT
