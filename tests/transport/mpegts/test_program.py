"""Programs that change, start oddly or contain more than this server carries."""

from tests.transport.media.coded import coded_pictures
from tests.transport.mpegts import muxer
from tests.transport.mpegts.test_audio import encoded
from transport.media import AccessUnit, Codec
from transport.media.annexb import split_annexb
from transport.mpegts import TsDemuxer

PICTURES = [data for data, *_ in coded_pictures("libx264", g="6", tune="zerolatency")]
H265_PICTURES = [data for data, *_ in coded_pictures("libx265", tune="zerolatency")]
SOUND = encoded("aac")
VIDEO = (muxer.H264, muxer.VIDEO_PID, b"")
AUDIO = (muxer.ADTS, muxer.AUDIO_PID, b"\x0a\x04deu\x00")


class Publisher:
    """Muxes pictures and sound into a demultiplexer and keeps what comes out."""

    def __init__(self) -> None:
        self.mux = muxer.Muxer()
        self.demuxer = TsDemuxer()
        self.units: list[AccessUnit] = []
        self.now = 0.0

    def send(self, data: bytes) -> list[AccessUnit]:
        units = self.demuxer.feed(data, self.now)
        self.units += units
        return units

    def picture(
        self,
        index: int,
        *,
        pictures: list[bytes] = PICTURES,
        pid: int = muxer.VIDEO_PID,
        at: int | None = None,
    ) -> list[AccessUnit]:
        pts = 3000 * index if at is None else at
        return self.send(self.mux.pes(pid, muxer.pes(pictures[index % 12], pts)))

    def sound(self, index: int, *, pid: int = muxer.AUDIO_PID) -> list[AccessUnit]:
        whole = muxer.pes(SOUND[index % 12], 1920 * index, stream_id=0xC0, sized=True)
        return self.send(self.mux.pes(pid, whole))


def ids(units: list[AccessUnit]) -> set[int]:
    return {unit.track.id for unit in units}


def test_a_stream_that_starts_with_sound() -> None:
    publisher = Publisher()
    assert publisher.sound(0) == []
    publisher.send(publisher.mux.program(VIDEO, AUDIO))
    for index in range(1, 6):
        assert len(publisher.sound(index)) == 1
    publisher.picture(2)
    publisher.picture(6)
    publisher.picture(7)
    pictures = [unit for unit in publisher.units if unit.track.is_video]
    assert [unit.keyframe for unit in pictures] == [True]
    assert pictures[0].pts == 18_000
    assert [(track.codec, track.language) for track in publisher.demuxer.tracks] == [
        (Codec.H264, ""),
        (Codec.AAC, "deu"),
    ]


def test_a_lost_first_keyframe_costs_its_gop_only() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    for index in range(1, 12):
        publisher.picture(index)
    publisher.units += publisher.demuxer.flush(0.0)
    assert [unit.pts for unit in publisher.units] == [3000 * index for index in range(6, 12)]
    assert publisher.demuxer.counters.dropped_units == 5


def test_a_new_track_joins_and_the_others_do_not_notice() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    for index in range(6):
        publisher.picture(index)
    before = publisher.demuxer.tracks[0]
    publisher.send(publisher.mux.program(VIDEO, AUDIO, version=1))
    assert publisher.demuxer.tracks[0] is before
    publisher.sound(10)
    publisher.picture(6)
    assert ids(publisher.units[-2:]) == {muxer.VIDEO_PID, muxer.AUDIO_PID}
    assert publisher.demuxer.counters.dropped_units == 0


def test_a_track_that_leaves_gives_out_what_it_had() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO, AUDIO))
    assert publisher.picture(0) == []
    units = publisher.send(publisher.mux.program(AUDIO, version=1))
    assert ids(units) == {muxer.VIDEO_PID}
    assert [track.id for track in publisher.demuxer.tracks] == [muxer.AUDIO_PID]
    assert publisher.picture(6) == []
    assert len(publisher.sound(0)) == 1


def test_a_changed_codec_is_a_new_track_on_the_same_pid() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    for index in range(6):
        publisher.picture(index)
    publisher.send(publisher.mux.program((muxer.H265, muxer.VIDEO_PID, b""), version=1))
    for index in range(6, 12):
        publisher.picture(index, pictures=H265_PICTURES)
    codecs = [unit.track.codec for unit in publisher.units]
    assert codecs[:6] == [Codec.H264] * 6
    # Sent from its picture 6 on, and the first PES packets are only watched.
    assert Codec.H265 in codecs
    assert publisher.units[6].keyframe
    assert publisher.demuxer.tracks[0].codec is Codec.H265


def test_pids_that_move_are_new_tracks() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    publisher.picture(0)
    publisher.send(publisher.mux.program((muxer.H264, 0x300, b""), version=1))
    publisher.picture(6, pid=0x300)
    publisher.picture(7, pid=0x300)
    assert [unit.track.id for unit in publisher.units] == [muxer.VIDEO_PID, 0x300]


def test_the_map_may_move_to_another_pid() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    publisher.send(publisher.mux.table(0, muxer.pat((1, 0x1F00))))
    publisher.send(publisher.mux.table(0x1F00, muxer.pmt(VIDEO, AUDIO)))
    assert len(publisher.demuxer.tracks) == 2


def test_only_the_language_changed() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO, AUDIO))
    publisher.sound(0)
    publisher.send(publisher.mux.program(VIDEO, (muxer.ADTS, muxer.AUDIO_PID, b"\x0a\x04fra\x00"), version=1))
    (unit,) = publisher.sound(1)
    assert (unit.track.language, unit.track.sample_rate) == ("fra", 48_000)


def test_what_is_not_carried_is_named() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO, (0x42, 0x200, b""), (muxer.PRIVATE, 0x201, b"\x59\x00")))
    assert publisher.demuxer.counters.unsupported == {0x200: "stream type 0x42", 0x201: "DVB subtitles"}
    assert publisher.demuxer.warnings() == (
        "stream type 0x42 (PID 512) is not supported",
        "DVB subtitles (PID 513) is not supported",
    )
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.H264]


def test_sound_of_an_unknown_layer_leaves_the_tracks_with_a_reason() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO, (muxer.MP2, muxer.AUDIO_PID, b"")))
    layer_one = (bytes.fromhex("ffffa404") + bytes(600)) * 4
    publisher.send(publisher.mux.pes(muxer.AUDIO_PID, muxer.pes(layer_one, 0, sized=True)))
    assert publisher.demuxer.warnings() == ("MPEG audio layer I is not supported",)
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.H264]


def test_of_several_programs_the_first_is_used() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.table(0, muxer.pat((0, 16), (7, 0x1000), (8, 0x1000))))
    publisher.send(publisher.mux.table(0x1000, muxer.pmt(AUDIO, program=8)))
    assert not publisher.demuxer.declared
    publisher.send(publisher.mux.table(0x1000, muxer.pmt(VIDEO, program=7)))
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.H264]
    assert publisher.demuxer.warnings() == ("the stream has 2 programs, only program 7 is used",)


def test_a_program_whose_map_does_not_come_is_not_waited_for_long() -> None:
    publisher = Publisher()
    association = muxer.pat((7, 0x700), (8, 0x800))
    for now in (0.0, 0.5):
        publisher.now = now
        publisher.send(publisher.mux.table(0, association))
        publisher.send(publisher.mux.table(0x800, muxer.pmt(VIDEO, program=8)))
        assert not publisher.demuxer.declared
    publisher.now = 1.0
    publisher.send(publisher.mux.table(0x800, muxer.pmt(VIDEO, program=8)))
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.H264]
    assert publisher.demuxer.warnings() == ("the stream has 2 programs, only program 8 is used",)
    # It stays, whatever comes later, until it is gone.
    publisher.send(publisher.mux.table(0x700, muxer.pmt(AUDIO, program=7)))
    publisher.send(publisher.mux.table(0, muxer.pat((6, 0x600), (7, 0x700), (8, 0x800))))
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.H264]
    publisher.send(publisher.mux.table(0, muxer.pat((7, 0x700))))
    publisher.send(publisher.mux.table(0x700, muxer.pmt(AUDIO, program=7, version=1)))
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.AAC]


def test_a_program_with_nothing_to_carry_is_passed_over() -> None:
    publisher = Publisher()
    data, other = (0x06, 0x300, b""), (0x10, 0x301, b"")
    publisher.send(publisher.mux.table(0, muxer.pat((7, 0x700), (8, 0x800))))
    publisher.send(publisher.mux.table(0x700, muxer.pmt(data, program=7)))
    publisher.send(publisher.mux.table(0x800, muxer.pmt(VIDEO, program=8)))
    assert [track.codec for track in publisher.demuxer.tracks] == [Codec.H264]
    publisher.send(publisher.mux.table(0, muxer.pat((5, 0x500), (6, 0x600))))
    publisher.send(publisher.mux.table(0x500, muxer.pmt(other, program=5)))
    publisher.send(publisher.mux.table(0x600, muxer.pmt(data, program=6)))
    assert publisher.demuxer.tracks == ()
    assert publisher.demuxer.warnings()[0] == "MPEG-4 part 2 video (PID 769) is not supported"


def test_a_scrambled_stream_says_so() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    packets = bytearray(publisher.mux.pes(muxer.VIDEO_PID, muxer.pes(PICTURES[0], 0)))
    for at in range(3, len(packets), 188):
        packets[at] |= 0x80
    assert publisher.send(bytes(packets)) == []
    assert publisher.demuxer.warnings() == ("the stream is scrambled",)


def test_a_program_of_too_many_streams_is_cut() -> None:
    publisher = Publisher()
    many = [(muxer.ADTS, 0x200 + index, b"") for index in range(100)]
    publisher.send(publisher.mux.program(*many))
    assert len(publisher.demuxer.tracks) == 32


def test_an_encoder_clock_that_restarts_keeps_sound_and_picture_together() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    for index in range(6):
        publisher.picture(index, at=900_000_000 + 3000 * index)
    for index in range(6, 12):
        publisher.picture(index, at=3000 * index)
    publisher.units += publisher.demuxer.flush(0.0)
    times = [unit.dts for unit in publisher.units]
    assert times == [900_000_000 + 3000 * index for index in range(12)]
    assert publisher.demuxer.counters.clock_jumps == 1


def test_a_muxer_that_puts_stuffing_first_loses_nothing() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    for index in range(60):
        whole = muxer.pes(PICTURES[index % 12], 3000 * index)
        publisher.send(publisher.mux.pes(muxer.VIDEO_PID, whole, first_room=100))
    publisher.units += publisher.demuxer.flush(0.0)
    assert [unit.pts for unit in publisher.units] == [3000 * index for index in range(60)]
    for unit in publisher.units:
        assert split_annexb(unit.data) == split_annexb(PICTURES[unit.pts // 3000 % 12])
    assert publisher.demuxer.counters.early_flush_misses == 0


def test_a_muxer_that_begins_to_put_stuffing_first_costs_one_unit() -> None:
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    for index in range(60):
        whole = muxer.pes(PICTURES[index % 12], 3000 * index)
        publisher.send(publisher.mux.pes(muxer.VIDEO_PID, whole, first_room=100 if index >= 20 else 184))
    publisher.units += publisher.demuxer.flush(0.0)
    whole_units = [
        unit
        for unit in publisher.units
        if split_annexb(unit.data) == split_annexb(PICTURES[unit.pts // 3000 % 12])
    ]
    assert publisher.demuxer.counters.early_flush_misses == 1
    assert len(whole_units) == 59


def test_a_picture_of_one_packet_comes_out_with_it() -> None:
    small = [data for data, *_ in coded_pictures("libx264", width=16, height=16, g="6", tune="zerolatency")]
    publisher = Publisher()
    publisher.send(publisher.mux.program(VIDEO))
    tiny = split_annexb(small[1])[-1][:60]
    for index in range(6):
        publisher.picture(index)
    units = publisher.send(publisher.mux.pes(muxer.VIDEO_PID, muxer.pes(b"\x00\x00\x00\x01" + tiny, 18_000)))
    assert [unit.pts for unit in units] == [18_000]
