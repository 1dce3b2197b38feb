from __future__ import annotations

import ctypes

import pytest

from tests.transport.srt.rig import Rig, eventually, run_program
from transport.errors import LinkError
from transport.srt.abi import Option, State, TraceStats
from transport.srt.libsrt import SrtError, load, newest, open_best, version_of

# offsetof() of some fields of struct CBytePerfMon, from a C program with srt.h 1.5.1 on x86-64.
_OFFSETS = {
    "pktRetransTotal": 32,
    "usSndDurationTotal": 56,
    "byteSentTotal": 80,
    "pktSent": 136,
    "mbpsSendRate": 184,
    "pktRcvAvgBelatedTime": 216,
    "byteSent": 248,
    "usPktSndPeriod": 304,
    "msRTT": 328,
    "mbpsMaxBW": 352,
    "msRcvTsbPdDelay": 392,
    "pktReorderTolerance": 428,
    "byteRecvUnique": 488,
    "reserve": 496,
}


def test_the_statistics_have_the_librarys_layout() -> None:
    assert {name: getattr(TraceStats, name).offset for name in _OFFSETS} == _OFFSETS


def test_the_library_fills_exactly_the_fields_we_know(rig: Rig) -> None:
    caller, _ = rig.pair()
    for _ in range(10):
        caller.send(bytes(1316))
    trace = TraceStats()
    memory = b""

    def untouched() -> list[str]:
        nonlocal memory
        ctypes.memset(ctypes.byref(trace), 0xAA, ctypes.sizeof(trace))
        assert load()._free.srt_bistats(caller._socket, ctypes.byref(trace), 0, 1) == 0
        memory = bytes(trace)
        fields = ((name, getattr(TraceStats, name)) for name, *_ in TraceStats._fields_[:-1])
        return [
            name
            for name, field in fields
            if memory[field.offset : field.offset + field.size] == b"\xaa" * field.size
        ]

    # While another of the library's threads holds the connection's lock it leaves pktRcvBuf as it was.
    eventually(lambda: not untouched(), "every field filled")
    assert memory[496:] == b"\xaa" * 512


def test_the_fields_hold_what_their_names_say(rig: Rig) -> None:
    caller, _ = rig.pair()
    for _ in range(10):
        caller.send(bytes(1316))
    eventually(lambda: load().statistics(caller._socket).pktSentUniqueTotal == 10, "everything sent")
    trace = load().statistics(caller._socket)
    assert trace.byteSentUniqueTotal == 10 * (1316 + 44)  # IP, UDP and SRT headers: 20 + 8 + 16
    assert (trace.byteMSS, trace.msSndTsbPdDelay, trace.msRcvTsbPdDelay) == (1500, 120, 120)
    assert trace.pktRecvTotal == trace.pktSndLossTotal == 0
    assert 0 < trace.msRTT < 1000


def test_it_is_loaded_once() -> None:
    assert load() is load()
    assert load().version >= 0x010500
    assert load().version_text.startswith("1.")


def test_without_the_library_the_error_names_the_package() -> None:
    with pytest.raises(LinkError, match=r"libsrt1\.5-gnutls") as caught:
        open_best(("libnosuch.so.1.5",), ("nosuch-library",))
    assert caught.value.reason == "unsupported"


def test_the_newest_library_is_taken_and_of_equal_ones_the_one_named_first() -> None:
    versions = {"quick": 0x010501, "slow": 0x010501, "newer": 0x010504, "missing": 0}
    for names, taken in (
        (("quick", "slow"), ["quick"]),
        (("slow", "quick"), ["slow"]),
        (("missing", "slow"), ["slow"]),
        (("quick", "newer"), ["newer"]),
        (("missing",), []),
    ):
        assert newest(names, versions.__getitem__) == taken


def test_a_version_is_known_before_the_library_is_started() -> None:
    assert version_of(load().name) == load().version
    assert version_of("libnosuch.so.1.5") == 0
    assert version_of("libc.so.6") == 0


def test_where_the_usual_names_are_missing_the_system_is_searched() -> None:
    found = run_program("""
        from transport.srt.libsrt import open_best
        print(open_best(("libnosuch.so.1.5",), ("nosuch-library", "srt-gnutls")).name)
    """)
    assert found.startswith("libsrt-gnutls.so.1")


def test_errors_carry_the_librarys_number_and_words() -> None:
    library = load()
    with pytest.raises(SrtError, match="Invalid socket ID") as caught:
        library.option(12345, Option.KMSTATE)
    assert caught.value.code == 5004
    assert library.state(12345) == State.NONEXIST
    library.close(12345)


def test_options_are_set_and_read_back() -> None:
    library = load()
    socket = library.create_socket()
    try:
        for option, value in [
            (Option.FC, 30_000),
            (Option.LATENCY, 333),
            (Option.MAXBW, 1 << 33),
            (Option.TLPKTDROP, False),
            (Option.PBKEYLEN, 24),
        ]:
            library.set_option(socket, option, value)
            assert library.option(socket, option) == value
        with pytest.raises(SrtError, match="set PBKEYLEN"):
            library.set_option(socket, Option.PBKEYLEN, 20)
    finally:
        library.close(socket)


def test_a_process_ends_even_if_it_forgot_to_close() -> None:
    ended = run_program("""
        import threading
        from transport.srt import Admission, SrtListener, SrtOptions, SrtTarget, connect
        accepted = threading.Event()
        def take(connection):
            accepted.set()
            threading.Thread(target=connection.receive, daemon=True).start()
        listener = SrtListener(("127.0.0.1", 0), SrtOptions(), lambda *_: Admission(None), take)
        connect(SrtTarget("caller", "127.0.0.1", listener.address[1], "cam"))
        assert accepted.wait(15)
        print("done")
    """)
    assert ended == "done\n"


def test_whether_a_message_is_due_can_be_asked_without_taking_it(rig: Rig) -> None:
    caller, accepted = rig.pair()
    is_due = load().due_now(accepted._socket)
    assert not is_due()
    caller.send(b"x")
    eventually(is_due, "the message is due")
    assert accepted.receive() == b"x"
    assert not is_due()
    caller.close()
    eventually(is_due, "the end is due")
