"""
Bounds on what an answer may become: the bytes that come out of decompression, and the objects out of JSON.

A kilobyte of gzip is a megabyte of zeros, and ``[[],[],...]`` takes twenty times its size. Decompression is
our own, in steps: whether urllib3 limits its own depends on its version.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from airflow_provider_b24.rest.forks import bind_to_process

ENCODINGS = "gzip"  # what is asked for
MAX_REPLY = 100_000_000  # bytes of one answer; 2,500 rows with all their fields take a tenth of that
MAX_IN_FLIGHT = 400_000_000  # bytes of all answers that this process reads at the same time
MAX_OBJECTS = 500_000_000  # bytes that the objects of one answer take, about
_STEP = 1_000_000  # bytes decompressed at once
_SMALL = 1_000_000  # bytes of JSON that cannot become much
_GZIP = b"\x1f\x8b"
_EITHER = zlib.MAX_WBITS | 32  # zlib's header or gzip's
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class AnswerError(Exception):
    """An answer that is not read; the text says why, after the name of the server."""


class InFlight:
    """
    The answers that a process is reading; safe to use from several threads and in forked processes.

    :param most: the most bytes of all of them.
    """

    def __init__(self, most: int = MAX_IN_FLIGHT) -> None:
        self.bytes = 0
        self._most = most
        self._start()
        bind_to_process(self)

    def after_fork(self) -> None:
        self.bytes = 0
        self._start()

    def _start(self) -> None:
        self._lock = threading.RLock()  # a room may end while the same thread counts
        self._parsing = threading.Lock()

    def change(self, size: int) -> bool:
        """Count bytes in or, if negative, out; return whether there was room for them."""
        with self._lock:
            if size > 0 and self.bytes + size > self._most:
                return False
            self.bytes = max(0, self.bytes + size)
            return True

    @contextmanager
    def parsing(self, body: bytes, most: int = MAX_OBJECTS) -> Iterator[None]:
        """
        Check what JSON will become, before it is parsed; large answers become objects one at a time.

        :raises AnswerError: it would take more than so many bytes.
        """
        if len(body) <= _SMALL:
            yield
            return
        text = _text_size(body)
        # First as if all text were JSON, which is fast.
        if text + _structure_size(body) > most and text + _structure_size(_STRING.sub(b'""', body)) > most:
            raise AnswerError(f"the answer would take more than {most:,} bytes of memory")
        with self._parsing:
            yield


class Room:
    """
    What one answer takes of the memory for all of them, as long as this object lives.

    :param most: the most bytes of this one.
    """

    def __init__(self, all_answers: InFlight, most: int) -> None:
        self._all = all_answers
        self._most = most
        self._size = 0

    def take(self, size: int) -> None:
        """
        Count so many bytes more.

        :raises AnswerError: that is too much, for one answer or for all.
        """
        if self._size + size > self._most:
            raise AnswerError(f"the answer is larger than {self._most:,} bytes")
        if not self._all.change(size):
            raise AnswerError("the answers that are being read at the same time are too large")
        self._size += size

    def __del__(self) -> None:
        self._all.change(-self._size)


IN_FLIGHT = InFlight()


def read_body(pieces: Iterable[bytes], encoding: str, room: Room) -> bytes:
    """
    Return a body, decompressed.

    :param pieces: the body as it arrives.
    :param encoding: the header ``Content-Encoding``.
    :raises AnswerError: it is too large or cannot be decompressed.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    compressed = [name for name in names if name not in ("", "identity")]
    parts: list[bytes] = []
    for part in _decompressed(pieces, compressed[0]) if compressed else pieces:
        if len(compressed) > 1:
            raise AnswerError("the answer is compressed more than once")
        room.take(len(part))
        parts.append(part)
    return b"".join(parts)


def _decompressed(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise AnswerError("the answer is compressed in a way that was not asked for")
    stream = zlib.decompressobj(_EITHER)
    begun, kept = False, b""
    try:
        for piece in pieces:
            left, begun, kept = kept + piece, True, b""
            while left:
                if stream.eof:  # another member of a gzip file; anything else after the end is ignored
                    if left == _GZIP[:1]:
                        kept = left
                    if not left.startswith(_GZIP):
                        break
                    stream = zlib.decompressobj(_EITHER)
                yield stream.decompress(left, _STEP)
                left = stream.unused_data if stream.eof else stream.unconsumed_tail
        while not stream.eof and (part := stream.decompress(b"", _STEP)):  # zlib may hold some back
            yield part
    except zlib.error:
        raise AnswerError("the answer cannot be decompressed") from None
    if begun and not stream.eof:
        raise AnswerError("the answer ends before its compressed data does")


def _text_size(body: bytes) -> int:
    """Return about how many bytes the characters of JSON take, as a whole and as values."""
    wide = not body.isascii() or b"\\ud" in body or b"\\uD" in body  # up to four bytes each
    return (6 if wide else 2) * len(body)


def _structure_size(body: bytes) -> int:
    """Return about how many bytes the objects of JSON take in CPython, without their characters."""
    lists, maps = 64 * body.count(b"["), 150 * body.count(b"{") + 75 * body.count(b":")
    return lists + maps + 30 * body.count(b",") + 26 * body.count(b'"')
