"""Recordings that are encrypted where they lie: AES-256-GCM, opened by the server for who may have them.

    head    "strmrec1", id of the key (16 characters), salt (32 bytes), duration (8 bytes, in the clear)
    record  length of what is in it (4 bytes), nonce (12), that and its tag (16); any number of them

What is in the records, one after the other, is the file as it would be in the clear. The first holds the
header, and each fragment begins another one, so that a file is whole up to where its writing ended. Each file
has a key of its own (HKDF over its salt, RFC 5869), each record a random nonce; its number and length are
authenticated with it, so that none can be left out in the middle, moved or put into another file. A file
whose end was taken away cannot be told from one of a server that was killed.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from streamer.recording.errors import RecordingDamaged
from streamer.recording.keys import KID_CHARACTERS
from transport.cmaf import length_offset

_MAGIC = b"strmrec1"
_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES, _LENGTH_BYTES = 32, 12, 16, 8
_SALT_AT = len(_MAGIC) + KID_CHARACTERS
#: Where the duration is, as `transport.cmaf.length` writes it.
DURATION_AT = _SALT_AT + _SALT_BYTES
_HEAD_BYTES = DURATION_AT + _LENGTH_BYTES
_FRAME_BYTES = 4 + _NONCE_BYTES + _TAG_BYTES
#: Of one record: what is asked for of a file is opened record by record.
_MAX_RECORD_BYTES = 256 * 1024


class RecordSealer:
    """Encrypts one file. One thread.

    Args:
        kid: id of the key.
        key: 32 bytes, from which the file's own is derived.
    """

    def __init__(self, kid: str, key: bytes) -> None:
        salt = os.urandom(_SALT_BYTES)
        self.head = _MAGIC + kid.encode("ascii") + salt + bytes(_LENGTH_BYTES)
        self._cipher = _cipher(key, salt)
        self._number = 0

    def seal(self, data: bytes) -> bytes:
        """As records."""
        return b"".join(self._records(data))

    def _records(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _MAX_RECORD_BYTES):
            plain = data[at : at + _MAX_RECORD_BYTES]
            size = len(plain).to_bytes(4, "big")
            nonce = os.urandom(_NONCE_BYTES)
            yield size + nonce + self._cipher.encrypt(nonce, plain, _bound(self._number, size))
            self._number += 1


class SealedReader:
    """An encrypted file, read as if it were in the clear. One thread at a time; blocks for the disk.

    Args:
        path: of the file, which may still be written; it is read as far as it goes now.
        find: the key of an id.

    Attributes:
        size: bytes in the clear.

    Raises:
        OSError: it cannot be read.
        RecordingDamaged: it is not one, or its key is not here.
    """

    def __init__(self, path: Path, find: Callable[[str], bytes | None]) -> None:
        self._name = path.name
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            head = os.pread(self._descriptor, _HEAD_BYTES, 0)
            if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
                raise RecordingDamaged(self._name, "it has no head")
            key = find(head[len(_MAGIC) : _SALT_AT].decode("ascii", errors="replace"))
            if key is None:
                raise RecordingDamaged(self._name, "the key it was encrypted with is not here")
            self._cipher = _cipher(key, head[_SALT_AT:DURATION_AT])
            self._length = head[DURATION_AT:]
            self._starts: list[int] = []  # of each record, in the clear
            self._places: list[tuple[int, int]] = []  # where it is, and how long in the clear
            self.size = self._scan()
        except BaseException:
            self.close()
            raise

    def read(self, at: int, count: int) -> bytes:
        """Some of it: not more than `count`, and at least one byte before the end.

        Raises:
            OSError: it cannot be read.
            RecordingDamaged: it is not as it was written.
        """
        number = bisect_right(self._starts, at) - 1
        if number < 0 or at >= self.size:
            return b""
        offset = at - self._starts[number]
        return self._open(number)[offset : offset + count]

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _scan(self) -> int:
        """Find the records that are there whole."""
        end = os.fstat(self._descriptor).st_size
        at, start = _HEAD_BYTES, 0
        while at + _FRAME_BYTES < end:
            size = int.from_bytes(os.pread(self._descriptor, 4, at), "big")
            if not 0 < size <= _MAX_RECORD_BYTES or at + _FRAME_BYTES + size > end:
                break
            self._starts.append(start)
            self._places.append((at, size))
            at, start = at + _FRAME_BYTES + size, start + size
        return start

    def _open(self, number: int) -> bytes:
        at, size = self._places[number]
        record = os.pread(self._descriptor, _FRAME_BYTES + size, at)
        nonce, encrypted = record[4 : 4 + _NONCE_BYTES], record[4 + _NONCE_BYTES :]
        try:
            plain = self._cipher.decrypt(nonce, encrypted, _bound(number, size.to_bytes(4, "big")))
        except (InvalidTag, ValueError):
            raise RecordingDamaged(self._name, f"record {number} was changed") from None
        if number:
            return plain
        place = length_offset(plain)
        return plain[:place] + self._length + plain[place + _LENGTH_BYTES :]


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"streamer recording").derive(key))


def _bound(number: int, size: bytes) -> bytes:
    return number.to_bytes(8, "big") + size
