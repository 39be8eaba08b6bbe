"""What is in flight on one connection: the first blocks of a stream, in frames not acknowledged yet.

Each block is one frame. A server that does not know blocks gets each line as a message of its own.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from nodelog.shipping.line_splitting import split_into_messages
from nodelog.wire.client_session import ClientSession

if TYPE_CHECKING:
    from nodelog.spool.blocks import Block
    from nodelog.spool.spool import Spool
    from nodelog.wire.client_session import Welcome

_MAX_FRAMES: Final = 128  # unacknowledged; a server may have a limit of 1024


class Window:
    """The unacknowledged part of one stream of a spool.

    Its methods raise SpoolError; after that it is not known what is in flight, so close the connection.
    """

    def __init__(self, spool: Spool, stream: bytes, name: str) -> None:
        self._spool = spool
        self.stream = stream
        self.next_number = spool.lowest(stream)
        """The number that the collector gives to the next block."""
        self.session = ClientSession(stream=(stream, self.next_number), name=name)
        self.block_count = 0
        """Blocks in flight."""
        self.byte_count = 0
        """Bytes in these blocks."""
        self.unanswered: deque[Block | None] = deque()
        """One entry per frame: the block for its last or only frame, None for the frames before it."""
        self._messages: deque[bytes] = deque()  # the messages of the last block that are not sent yet

    @property
    def is_full(self) -> bool:
        """Return whether no further frame may be sent now."""
        return len(self.unanswered) >= _MAX_FRAMES or self.session.is_exhausted

    @property
    def has_unsent_messages(self) -> bool:
        """Return whether messages of the last block are still to be sent."""
        return bool(self._messages)

    def is_complete(self, *, finishing: bool) -> bool:
        """Return whether nothing more can be sent on this connection; `finishing`: no lines will come."""
        blocks = self._spool.blocks(self.stream)
        if self.session.is_exhausted or (blocks and blocks[0].number != self.next_number):
            return True
        return not blocks and (finishing or self.stream != self._spool.stream)

    def send_block(self, block: Block, welcome: Welcome) -> list[bytes | memoryview]:
        """Return the frame of the next block, or of the first of its messages, in pieces."""
        data = self._spool.read(block)
        if welcome.lines:
            frame = self.session.block(data)
        else:
            self._messages.extend(split_into_messages(data, welcome.max_data))
        self._spool.seal(block)
        self.block_count += 1
        self.byte_count += block.size
        self.next_number = block.number + 1
        if not welcome.lines:
            return self.send_message()
        self.unanswered.append(block)
        return list(frame)

    def send_message(self) -> list[bytes | memoryview]:
        """Return the frame of the next message of the last block."""
        message = self.session.message(self._messages.popleft())
        block = self._spool.blocks(self.stream)[self.block_count - 1]
        self.unanswered.append(None if self._messages else block)
        return [message]

    def pop_answered(self) -> Block | None:
        """Remove the oldest frame, which is answered; return its block if that is complete now."""
        block = self.unanswered.popleft()
        if block is not None:
            self.block_count -= 1
            self.byte_count -= block.size
        return block
