from __future__ import annotations

from transport.webrtc.records import pack_datagrams, split_records


def record(body: bytes) -> bytes:
    return b"\x16\xfe\xfd" + bytes(8) + len(body).to_bytes(2, "big") + body


def short(flags: int, body: bytes) -> bytes:
    """A DTLS 1.3 record with the unified header (RFC 9147 figure 3)."""
    header = bytes([0x20 | flags]) + (b"\0\1" if flags & 0x08 else b"\1")
    return header + (len(body).to_bytes(2, "big") if flags & 0x04 else b"") + body


def test_records_are_cut_apart():
    records = [record(b"a" * 5), record(b""), short(0x0C, b"b" * 40), short(0x04, b"c"), record(b"d")]
    assert list(split_records(b"".join(records))) == records


def test_a_record_without_a_length_takes_the_rest():
    records = [record(b"a"), short(0x08, b"b" * 30)]
    assert list(split_records(b"".join(records))) == records


def test_what_is_cut_off_takes_the_rest():
    assert list(split_records(b"")) == []
    assert list(split_records(record(b"a" * 9)[:-1])) == [record(b"a" * 9)[:-1]]
    for cut in range(1, 13):
        assert list(split_records(record(b"")[:cut])) == [record(b"")[:cut]]
    assert list(split_records(short(0x0C, b"")[:4])) == [short(0x0C, b"")[:4]]


def test_datagrams_are_filled_with_whole_records():
    records = [record(bytes(size)) for size in (500, 500, 200, 1500, 10)]
    datagrams = pack_datagrams(b"".join(records), 1200)
    assert datagrams == [records[0] + records[1], records[2], records[3], records[4]]
    assert pack_datagrams(b"", 1200) == []
