"""The spool in memory: it ends with the process, so nothing about a change has to be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nodelog.spool.blocks import Block, Piece


class MemorySpool(Spool):
    """A spool that is lost when the process ends. It cannot fail."""

    is_persistent = False

    def reopen(self) -> None:
        """Do nothing: memory is never damaged."""

    def commit_removals(self) -> None:
        """Do nothing: what was forgotten is gone."""

    def sync_removals(self) -> None:
        """Do nothing: after a power failure there is no spool."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _store(self, old: Iterable[Block], stream: bytes, pieces: Sequence[Piece]) -> None:
        pass

    def _load(self, block: Block) -> bytes:
        raise NotImplementedError(f"block {block.number} is not in memory")  # where all blocks are

    def _note_removal(self, block: Block) -> None:
        pass

    def _store_aside(self, stream: bytes, block: Block, reason: str) -> str:  # noqa: ARG002 (a file keeps it)
        return self._drop_instead(block)

    def _store_rename(self, old: bytes, new: bytes) -> None:
        pass
