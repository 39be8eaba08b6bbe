"""What is under way on one connection: the first blocks of a stream, in frames that are not acknowledged yet.

Each block is one frame. A server that knows no blocks gets each of its lines as a message.
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

_MAX_FRAMES: Final = 128  # that may be unacknowledged; a server may have a limit of 1024


class Window:
    """Of a stream in a spool; its methods raise SpoolError, after which nobody knows what is under way."""

    def __init__(self, spool: Spool, stream: bytes, name: str) -> None:
        self._spool = spool
        self.stream = stream
        self.next_number = spool.lowest(stream)
        """That the collector gives the next block."""
        self.session = ClientSession(stream=(stream, self.next_number), name=name)
        self.block_count = 0
        """How many are under way."""
        self.byte_count = 0
        """Bytes in them."""
        self.unanswered: deque[Block | None] = deque()
        """Frames; the last one of a block has it."""
        self._messages: deque[bytes] = deque()  # of the last block that are still to be sent

    @property
    def is_full(self) -> bool:
        """Tell whether no other frame may go."""
        return len(self.unanswered) >= _MAX_FRAMES or self.session.is_exhausted

    @property
    def has_unsent_messages(self) -> bool:
        """Tell whether there is more to send of the last block."""
        return bool(self._messages)

    def is_complete(self, *, finishing: bool) -> bool:
        """Tell whether nothing more can be sent over this connection; `finishing`: no lines will come."""
        blocks = self._spool.blocks(self.stream)
        if self.session.is_exhausted or (blocks and blocks[0].number != self.next_number):
            return True
        return not blocks and (finishing or self.stream != self._spool.stream)

    def send_block(self, block: Block, welcome: Welcome) -> list[bytes | memoryview]:
        """Give the frame of the next block, or the first of its messages."""
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
        """Give the next message of the last block."""
        message = self.session.message(self._messages.popleft())
        last = self._spool.blocks(self.stream)[self.block_count - 1]
        self.unanswered.append(None if self._messages else last)
        return [message]

    def pop_answered(self) -> Block | None:
        """Take the oldest frame for answered; give its block if that is complete now."""
        block = self.unanswered.popleft()
        if block is not None:
            self.block_count -= 1
            self.byte_count -= block.size
        return block
