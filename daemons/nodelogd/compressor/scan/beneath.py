"""Open a path beneath a directory without following any link on the way, where the kernel can do that.

Anyone who may write in the directory can replace a folder by a link between two calls. `openat2` (Linux 5.6)
looks the path up and refuses links in one step. Without it, the caller has to check what was opened.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Final

_OPENAT2: Final = 437
"""The number of the system call, on all architectures that Python runs on."""
_NO_MAGIC_LINKS: Final = 0x02
_NO_LINKS: Final = 0x04
_BENEATH: Final = 0x08


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def has_openat2() -> bool:
    """Return whether the kernel has `openat2` and lets this process use it."""
    root = os.open(b"/", os.O_PATH | os.O_CLOEXEC)
    try:
        os.close(_openat2(root, b".", os.O_PATH | os.O_CLOEXEC))
    except OSError:  # ENOSYS of an old kernel, EPERM of an old seccomp profile
        return False
    else:
        return True
    finally:
        os.close(root)


def open_beneath(directory: bytes, path: bytes, flags: int) -> int:
    """Open `path`, which begins with the path `directory`; links are only followed in the latter.

    Call it only if `has_openat2`. Raises OSError: ELOOP if the path contains a link.
    """
    root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _openat2(root, path[len(directory) :].lstrip(b"/") or b".", flags)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(root)


def _openat2(root: int, path: bytes, flags: int) -> int:
    how = _OpenHow(flags, 0, _BENEATH | _NO_LINKS | _NO_MAGIC_LINKS)
    while True:
        fd: int = _libc().syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(root),
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in {errno.EINTR, errno.EAGAIN}:  # EAGAIN: a rename crossed the lookup
            raise OSError(number, os.strerror(number), path)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
