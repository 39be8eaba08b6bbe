"""Headers of an archive that may come from anyone: tarfile reads as many bytes as a header asks for."""

from __future__ import annotations

import tarfile
from typing import Final

MAX_HEADER: Final = 1024**2
"""Bytes of a long name or of a pax header; a path on Linux has at most 4096."""
_EXTENDED: Final = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}

_DamagedHeaderError: Final[type[tarfile.HeaderError]] = tarfile.SubsequentHeaderError  # type: ignore[attr-defined]
"""What tarfile takes for damage wherever it is; typeshed does not know it."""


class BoundedTarInfo(tarfile.TarInfo):
    """A header that is refused, as a damaged one, before it costs memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise _DamagedHeaderError(f"a header with a size of {self.size} bytes")
        if self.type in _EXTENDED and self.size > MAX_HEADER:
            raise _DamagedHeaderError(
                f"an extended header of {self.size} bytes, at most {MAX_HEADER} allowed"
            )
        try:
            return super()._proc_member(tar)  # type: ignore[misc, no-any-return]  # tarfile's own hook
        except (ValueError, RecursionError) as error:  # a number that is none, or is endless
            raise _DamagedHeaderError(f"an extended header that is none ({error})") from None
