"""A planned update, ready to be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.compressor.plan.planning import BuildUnit, CopyUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nodelogd.compressor.archive.assembly import Assembly
    from nodelogd.compressor.archive.previous_archive import PreviousArchive
    from nodelogd.compressor.plan.change_detection import Changes
    from nodelogd.compressor.plan.planning import Step
    from nodelogd.compressor.scan.file_access import FileAccess


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """The steps of an update and what they work on."""

    changes: Changes
    steps: Sequence[Step]
    previous: PreviousArchive
    previous_fd: int | None
    access: FileAccess

    def carry_out(self, assembly: Assembly) -> None:
        """Take all steps, in order."""
        for step in self.steps:
            match step:
                case CopyUnit():
                    assembly.copy_unit(step)
                case BuildUnit(start, _, is_large=True):
                    assembly.add_large_file(start)
                case BuildUnit(start, stop):
                    assembly.add_group(start, stop)
