import pytest

from transport.mpegts.pes import MAX_PES_BYTES, PesAssembler, Verdict

HEAD = b"\x00\x00\x01\xe0\x00\x00\x80\x00\x00"


class Feeder:
    """Feeds one assembler and keeps the counter."""

    def __init__(self) -> None:
        self.pes = PesAssembler()
        self.continuity = 0
        self.whole: list[bytes] = []
        self.misses = 0

    def packet(
        self, payload: bytes, *, begins: bool = False, stuffed: bool = False, pauses: bool = False
    ) -> Verdict:
        follows = self.pes.follows(self.continuity, payload)
        assert follows is not None
        if begins:
            if self.pes.is_open:
                self.whole += self.pes.close()
            verdict = self.pes.begin(self.continuity, payload, stuffed=stuffed, pauses=pauses)
        else:
            verdict = self.pes.extend(
                self.continuity, payload, stuffed=stuffed, pauses=pauses, gap=not follows
            )
        if verdict is Verdict.COMPLETE:
            self.whole += self.pes.close()
        self.misses += verdict is Verdict.MISSED_END
        self.continuity = (self.continuity + 1) & 15
        return verdict

    def picture(self, *, stuffed_at: int | None = 2, pauses_at: int | None = None) -> list[Verdict]:
        """Three packets, one of them with stuffing, and perhaps a pause of the sender after one."""
        return [
            self.packet(HEAD + b"a", begins=True, stuffed=stuffed_at == 0, pauses=pauses_at == 0),
            self.packet(b"b", stuffed=stuffed_at == 1, pauses=pauses_at == 1),
            self.packet(b"c", stuffed=stuffed_at == 2, pauses=pauses_at == 2),
        ]


MORE, COMPLETE, MISSED = Verdict.MORE, Verdict.COMPLETE, Verdict.MISSED_END


def test_stuffing_ends_a_pes_packet_once_it_was_watched_doing_so() -> None:
    feeder = Feeder()
    # The fourth one's beginning confirms the third.
    verdicts = [feeder.picture()[-1] for _ in range(6)]
    assert verdicts == [MORE] * 3 + [COMPLETE] * 3
    assert feeder.whole == [HEAD + b"abc"] * 6


def test_a_fit_without_stuffing_teaches_nothing_and_ends_when_the_next_begins() -> None:
    feeder = Feeder()
    for _ in range(10):
        assert feeder.picture(stuffed_at=None)[-1] is MORE
    assert feeder.picture()[-1] is MORE
    assert len(feeder.whole) == 10


def test_a_pause_ends_a_fit_without_stuffing_once_it_was_watched_doing_so() -> None:
    feeder = Feeder()
    for _ in range(29):
        feeder.picture(pauses_at=2)
    assert feeder.picture(stuffed_at=None, pauses_at=2)[-1] is MORE  # the thirtieth
    assert feeder.picture(stuffed_at=None, pauses_at=2)[-1] is COMPLETE
    assert feeder.picture(stuffed_at=None)[-1] is MORE  # a full message says nothing
    feeder.picture(stuffed_at=2)
    assert feeder.whole == [HEAD + b"abc"] * 33
    assert feeder.misses == 0


@pytest.mark.parametrize("pauses_at", [0, 1])
def test_a_sender_that_pauses_anywhere_is_never_believed(pauses_at: int) -> None:
    feeder = Feeder()
    for number in range(500):
        feeder.picture(pauses_at=2 if number % 20 else pauses_at)
    assert feeder.picture(stuffed_at=None, pauses_at=2)[-1] is MORE
    assert feeder.misses == 0


def test_a_sender_that_pauses_anywhere_later_is_watched_for_long() -> None:
    feeder = Feeder()
    for _ in range(31):
        feeder.picture(pauses_at=2)
    assert feeder.picture(stuffed_at=None, pauses_at=1) == [MORE, COMPLETE, MISSED]
    ends = [feeder.picture(stuffed_at=None, pauses_at=2)[-1] for _ in range(310)]
    assert ends.index(COMPLETE) == 300
    # Stuffing said nothing wrong.
    assert feeder.picture()[-1] is COMPLETE


@pytest.mark.parametrize("stuffed_at", [0, 1])
def test_a_muxer_that_puts_stuffing_elsewhere_is_never_believed(stuffed_at: int) -> None:
    feeder = Feeder()
    for _ in range(500):
        assert feeder.picture(stuffed_at=stuffed_at) == [MORE] * 3
    assert feeder.misses == 0
    assert feeder.whole == [HEAD + b"abc"] * 499


def test_a_muxer_that_lies_later_is_watched_for_long() -> None:
    feeder = Feeder()
    for _ in range(6):
        feeder.picture()
    assert feeder.picture(stuffed_at=1) == [MORE, COMPLETE, MISSED]
    assert feeder.misses == 1
    ends = [feeder.picture()[-1] for _ in range(310)]
    assert ends.index(COMPLETE) == 300
    feeder.picture(stuffed_at=1)
    assert feeder.misses == 2
    assert all(feeder.picture()[-1] is MORE for _ in range(2_999))


def test_a_single_packet_is_beginning_and_end() -> None:
    feeder = Feeder()
    verdicts = [feeder.packet(HEAD + b"tiny", begins=True, stuffed=True) for _ in range(5)]
    assert verdicts == [MORE] * 3 + [COMPLETE] * 2


def test_a_stated_length_is_believed_at_once_and_cuts_what_is_too_much() -> None:
    feeder = Feeder()
    head = b"\x00\x00\x01\xc0\x00\x06\x80\x00\x00"
    assert feeder.packet(head + b"a", begins=True, stuffed=True) is MORE
    assert feeder.packet(b"bc++") is COMPLETE
    assert feeder.whole == [head + b"abc"]


def test_a_length_that_lies_is_ignored_from_then_on() -> None:
    feeder = Feeder()
    head = b"\x00\x00\x01\xe0\x00\x04\x80\x00\x00"
    assert feeder.packet(head + b"a", begins=True) is COMPLETE
    assert feeder.packet(b"b") is MISSED
    assert feeder.packet(head + b"a", begins=True) is MORE
    assert feeder.packet(b"b") is MORE
    feeder.packet(head + b"a", begins=True)
    assert feeder.whole == [head + b"a", head + b"ab"]


def test_a_gap_splits_what_is_given_out_and_stuffing_then_ends_a_sized_one() -> None:
    feeder = Feeder()
    for _ in range(4):
        feeder.picture()
    feeder.packet(b"\x00\x00\x01\xe0\x40\x00\x80\x00\x00", begins=True)
    feeder.packet(b"b")
    feeder.continuity += 3
    feeder.packet(b"c")
    assert feeder.packet(b"d", stuffed=True) is COMPLETE
    assert feeder.whole[-2:] == [b"\x00\x00\x01\xe0\x40\x00\x80\x00\x00b", b"cd"]


def test_after_a_gap_a_continuation_proves_nothing_against_the_stuffing() -> None:
    feeder = Feeder()
    for _ in range(5):
        feeder.picture()
    feeder.continuity = (feeder.continuity + 4) & 15
    assert feeder.packet(b"c") is MORE
    assert feeder.picture()[-1] is COMPLETE
    assert feeder.misses == 0


def test_one_repetition_is_no_gap() -> None:
    feeder = Feeder()
    feeder.packet(HEAD, begins=True)
    feeder.packet(b"b")
    assert feeder.pes.follows(1, b"b") is None
    assert feeder.pes.follows(1, b"other") is False
    assert feeder.pes.follows(2, b"c") is True
    feeder.pes.close()
    assert feeder.pes.follows(1, b"b") is None
    assert feeder.pes.follows(2, b"c") is True


def test_a_pes_packet_without_end_is_given_up() -> None:
    feeder = Feeder()
    feeder.packet(HEAD, begins=True)
    payload = bytes(1 << 20)
    verdicts = [feeder.packet(payload) for _ in range(8)]
    assert verdicts == [MORE] * 7 + [Verdict.TOO_LONG]
    assert feeder.pes.size >= MAX_PES_BYTES
