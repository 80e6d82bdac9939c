"""Seconds that pass on a connection without anyone waiting for them.

A server that would be silent for a while writes a mark between its bytes instead. Whoever reads it
in the function's process moves its clock on, or times out where its patience is shorter than that.
"""

import math
import socket
import struct
from collections.abc import Callable
from typing import Any

_MARK = b"\x00\xff\x00virtual\xff\x00"
_FORM = struct.Struct(">d")
_SIZE = len(_MARK) + _FORM.size
_PEEKED_BYTES = 1 << 20


def passing(seconds: float) -> bytes:
    """What to write in place of so many seconds of silence; infinity is no answer ever."""
    return _MARK + _FORM.pack(seconds)


def heed(pass_seconds: Callable[[float], None]) -> None:
    """Have every socket of this process take a mark for the time that it stands for."""
    receive = socket.socket.recv_into

    def recv_into(self: socket.socket, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        while (seen := self.recv(_PEEKED_BYTES, socket.MSG_PEEK)).startswith(_MARK):
            _pass(self, _FORM.unpack(self.recv(_SIZE)[len(_MARK) :])[0], pass_seconds)
        # No more than was looked at: a mark may have come since.
        clean = seen.partition(_MARK)[0]
        wanted = nbytes or len(buffer)
        return receive(self, buffer, min(wanted, len(clean)) or wanted, flags)

    socket.socket.recv_into = recv_into  # type: ignore[assignment, method-assign]


def _pass(self: socket.socket, seconds: float, pass_seconds: Callable[[float], None]) -> None:
    patience = self.gettimeout() or math.inf
    pass_seconds(min(seconds, patience))
    if seconds >= patience:
        raise TimeoutError("timed out")
