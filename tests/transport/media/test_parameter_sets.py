import av
import pytest

from tests.transport.media.coded import coded_pictures
from transport.errors import WireError
from transport.media import Codec, h264, h265
from transport.media.annexb import join_annexb, split_annexb
from transport.media.parameter_sets import ParameterSets, parameter_sets_from_extradata


def sets_of(codec: str, **options: object) -> list[bytes]:
    kinds = (7, 8) if codec == "libx264" else (32, 33, 34)
    parse = h264.nal_type if codec == "libx264" else h265.nal_type
    data = coded_pictures(codec, count=1, **options)[0][0]  # type: ignore[arg-type]
    return [nal for nal in split_annexb(data) if parse(nal) in kinds]


def test_avcc() -> None:
    sps, pps = sets_of("libx264")
    avcc = b"\x01" + sps[1:4] + b"\xff\xe1" + len(sps).to_bytes(2, "big") + sps
    avcc += b"\x01" + len(pps).to_bytes(2, "big") + pps
    assert parameter_sets_from_extradata(Codec.H264, avcc) == (sps, pps)
    for cut in range(1, len(avcc)):
        with pytest.raises(WireError):
            parameter_sets_from_extradata(Codec.H264, avcc[:cut])


def test_hvcc() -> None:
    sets = sets_of("libx265")
    hvcc = b"\x01" + bytes(21) + bytes([4])
    sei = b"\x4e\x01\x05"
    for kind, nal in zip((32, 33, 39, 34), (sets[0], sets[1], sei, sets[2]), strict=True):
        hvcc += bytes([0x80 | kind, 0, 1]) + len(nal).to_bytes(2, "big") + nal
    assert parameter_sets_from_extradata(Codec.H265, hvcc) == tuple(sets)
    for cut in range(1, len(hvcc)):
        with pytest.raises(WireError):
            parameter_sets_from_extradata(Codec.H265, hvcc[:cut])


@pytest.mark.parametrize(("codec", "encoder"), [(Codec.H264, "libx264"), (Codec.H265, "libx265")])
def test_annexb_extradata(codec: Codec, encoder: str) -> None:
    sets = sets_of(encoder)
    extradata = join_annexb([*sets, b"\x06\x05" if codec is Codec.H264 else b"\x4e\x01"])
    assert parameter_sets_from_extradata(codec, extradata) == tuple(sets)
    assert parameter_sets_from_extradata(codec, extradata[1:]) == tuple(sets)


def test_what_an_mp4_carries(tmp_path: object) -> None:
    path = f"{tmp_path}/short.mp4"
    pictures = coded_pictures("libx264", g="6", tune="zerolatency")
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for packet in stream.encode(av.VideoFrame(64, 48, "yuv420p")) + stream.encode(None):
            out.mux(packet)
    assert pictures
    with av.open(path) as source:
        found = parameter_sets_from_extradata(
            Codec.H264, source.streams.video[0].codec_context.extradata or b""
        )
    assert [h264.nal_type(nal) for nal in found] == [7, 8]
    assert h264.parse_sps(found[0]).width == 64


def test_no_extradata_means_no_sets() -> None:
    assert parameter_sets_from_extradata(Codec.H264, b"") == ()


def test_repeats_change_nothing_and_the_order_is_a_decoders() -> None:
    sps, pps = sets_of("libx264")
    sets = ParameterSets(Codec.H264)
    assert sets.learn(h264.NAL_PPS, pps)
    assert not sets.complete
    assert sets.learn(h264.NAL_SPS, sps)
    assert sets.complete
    assert sets.nals == (sps, pps)
    kept = sets.nals
    assert not sets.learn(h264.NAL_SPS, sps)
    assert sets.nals is kept


def test_broken_sets_are_refused_and_counted() -> None:
    sets = ParameterSets(Codec.H264)
    assert not sets.learn(h264.NAL_SPS, b"\x67\x42")
    assert not sets.learn(h264.NAL_PPS, b"\x68" + b"\x00" * 5000)
    assert sets.refused == 2
    assert sets.nals == ()


def test_ids_without_end_do_not_fill_the_memory() -> None:
    sets = ParameterSets(Codec.H264)
    for pps_id in range(256):
        bits = bin(pps_id + 1)[2:]
        code = ("0" * (len(bits) - 1) + bits + "1" + "1").ljust(40, "0")
        sets.learn(h264.NAL_PPS, b"\x68" + int(code, 2).to_bytes(5, "big"))
    assert len(sets.nals) == 64
    assert sets.refused == 192


def test_the_picture_is_that_of_the_set_the_slice_uses() -> None:
    small = coded_pictures("libx264", count=1, x264opts="sps-id=1")[0][0]
    large = coded_pictures("libx264", count=1, width=128, height=96, x264opts="sps-id=2")[0][0]
    sets = ParameterSets(Codec.H264)
    slices = {}
    for name, data in (("small", small), ("large", large)):
        for nal in split_annexb(data):
            if h264.nal_type(nal) == h264.NAL_IDR:
                slices[name] = nal
            elif sets.is_parameter_set(h264.nal_type(nal)):
                sets.learn(h264.nal_type(nal), nal)
    assert sets.picture(slices["small"]).width == 64
    assert sets.picture(slices["large"]).width == 128
    assert sets.picture().width == 128
