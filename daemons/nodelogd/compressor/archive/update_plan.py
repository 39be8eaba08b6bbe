"""A planned update, ready to be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.compressor.plan.planning import BuildUnit, CopyUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nodelogd.compressor.archive.assembly import Assembly
    from nodelogd.compressor.archive.previous_archive import PreviousArchive
    from nodelogd.compressor.scan.discovery import LogFile
    from nodelogd.compressor.scan.file_access import FileAccess


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """The steps of an update and what they work on."""

    files: Sequence[LogFile]
    steps: Sequence[CopyUnit | BuildUnit]
    previous: PreviousArchive
    previous_fd: int | None
    access: FileAccess

    def carry_out(self, assembly: Assembly) -> None:
        """Take all steps, in order."""
        for step in self.steps:
            match step:
                case CopyUnit(unit):
                    assembly.copy_unit(unit)
                case BuildUnit(items, is_large=True):
                    assembly.add_large_file(self.files[items[0].file])
                case BuildUnit(items):
                    assembly.add_group((self.files[item.file], item.is_unchanged) for item in items)
