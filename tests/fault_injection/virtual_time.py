"""Silence on a connection that takes no real time.

A server that would be silent for a while writes a mark between its bytes instead. The patched
`recv_into` of the function's process takes the mark out and moves that process's clock, or raises
the timeout if the socket's timeout is shorter. README.md in this folder says why.
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
    """The mark to write instead of so many seconds of silence; infinity means no answer at all."""
    return _MARK + _FORM.pack(seconds)


def heed(pass_seconds: Callable[[float], None]) -> None:
    """Patch the sockets of this process, so that a mark passes its seconds."""
    receive = socket.socket.recv_into

    def recv_into(self: socket.socket, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        while (seen := self.recv(_PEEKED_BYTES, socket.MSG_PEEK)).startswith(_MARK):
            _pass(self, _FORM.unpack(self.recv(_SIZE)[len(_MARK) :])[0], pass_seconds)
        # Read no more than was peeked at, because a mark may have arrived since.
        clean = seen.partition(_MARK)[0]
        wanted = nbytes or len(buffer)
        return receive(self, buffer, min(wanted, len(clean)) or wanted, flags)

    socket.socket.recv_into = recv_into  # type: ignore[assignment, method-assign]


def _pass(self: socket.socket, seconds: float, pass_seconds: Callable[[float], None]) -> None:
    patience = self.gettimeout() or math.inf
    pass_seconds(min(seconds, patience))
    if seconds >= patience:
        raise TimeoutError("timed out")
