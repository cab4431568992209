"""Heartbeats: the captured datagram verified and read, everything forged, cut or out of place refused."""

import contextlib
import hmac
import struct
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.heartbeat import (
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    Counters,
    CpuDetail,
    CpuLoad,
    Disk,
    Heartbeat,
    Key,
    Memory,
    Radio,
    Rates,
    Statistics,
    decode,
    decode_statistics,
    encode,
    peek,
    sender,
)
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId
from tests.protocol.arms_tunnel_capture import VECTORS

CAPTURED = bytes.fromhex((VECTORS / "heartbeat.dummy.hex").read_text())
PASSPHRASE = b"lab-hb-pass"
SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")
READ = Statistics(
    cpu=(CpuLoad(0, 84), CpuLoad(1, 87), CpuLoad(2, 52), CpuLoad(3, 92)),
    cpu_detail=(
        CpuDetail(0, idle=16, interrupt=61, user=6, system=5, other=12),
        CpuDetail(1, idle=13, interrupt=44, user=24, system=13, other=6),
        CpuDetail(2, idle=48, interrupt=43, user=4, system=0, other=5),
        CpuDetail(3, idle=8, interrupt=62, user=7, system=20, other=3),
    ),
    memory=(Memory(0, used=180337611, available=88097845), Memory(1, used=2372934255, available=848291217)),
    disk=(Disk(0, used=21513596304, available=12846142064), Disk(1, used=906694320128, available=3491352190976)),
    rates=(
        Rates(0, 105155705, 76580554, 106110, 60063, 21222, 12012),
        Rates(1, 244520, 310525, 379, 218, 75, 43),
        Rates(2, 6049, 6896, 14, 9, 2, 1),
    ),
    counters=(
        Counters(0, 105155705, 76580554, 106110, 60063, 21222, 12012),
        Counters(1, 244520, 310525, 379, 218, 75, 43),
        Counters(2, 6049, 6896, 14, 9, 2, 1),
    ),
    radio=(Radio(0, misc=82, maximum=23, minimum=14, average=56),),
)


def signed(*parts: bytes) -> bytes:
    """A datagram of these parts after HMAC and distribution id, signed without the codec."""
    begin = bytes.fromhex("00010014") + bytes(20) + bytes.fromhex("00110010") + SENDER.packed()
    datagram = begin + b"".join(parts)
    return datagram[:4] + hmac.digest(PASSPHRASE, datagram, "sha1") + datagram[24:]


def part(number: int, value: bytes) -> bytes:
    return struct.pack(">HH", number, len(value)) + value


def test_the_captured_heartbeat_is_verified_and_read() -> None:
    assert len(CAPTURED) == 538
    assert peek(CAPTURED) == SENDER
    assert sender(CAPTURED) == SENDER.packed()
    assert Key(PASSPHRASE).verifies(CAPTURED)
    assert decode(CAPTURED) == Heartbeat(SENDER, READ)


def test_the_captured_heartbeat_is_written_byte_for_byte() -> None:
    assert encode(Heartbeat(SENDER, READ), PASSPHRASE) == CAPTURED


@pytest.mark.parametrize("passphrase", [b"lab-hb-pasS", b"lab-hb-pass ", b"x", b"x" * 1024])
def test_another_passphrase_does_not_verify(passphrase: bytes) -> None:
    assert not Key(passphrase).verifies(CAPTURED)


def test_no_byte_of_a_heartbeat_can_be_changed() -> None:
    key = Key(PASSPHRASE)
    for at in range(len(CAPTURED)):
        changed = bytearray(CAPTURED)
        changed[at] ^= 0x01
        assert not key.verifies(bytes(changed))


def test_a_key_verifies_again_and_again() -> None:
    key = Key(PASSPHRASE)

    assert [key.verifies(data) for data in (CAPTURED, b"", CAPTURED, CAPTURED[:-1], CAPTURED)] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_every_truncation_is_refused() -> None:
    """A cut between two statistics leaves a datagram that can be read; that is what the HMAC is for."""
    key = Key(PASSPHRASE)
    readable = []
    for size in range(len(CAPTURED)):
        assert not key.verifies(CAPTURED[:size])
        with contextlib.suppress(PeerMistake):
            decode(CAPTURED[:size])
            readable.append(size)

    assert len(readable) == 19
    assert readable[:3] == [MIN_DATAGRAM, MIN_DATAGRAM + 7, MIN_DATAGRAM + 18]


def test_bytes_after_a_heartbeat_are_refused() -> None:
    assert not Key(PASSPHRASE).verifies(CAPTURED + b"\x00")
    for tail in (b"\x00", b"\x00\x33", b"\x00\x33\x00", b"\x00\x33\x00\x03", b"\x00\x33\x00\x03\x00\x00"):
        with pytest.raises(PeerMistake, match="ends within"):
            decode(CAPTURED + tail)


def test_unknown_types_are_skipped_wherever_they_are() -> None:
    cpu = part(0x33, b"\x00\x02\x63")
    for parts in ((part(0x99, b"?" * 7), cpu), (cpu, part(0xFFFF, b"")), (cpu, part(0, b"x"), part(0x99, b""))):
        datagram = signed(*parts)
        assert Key(PASSPHRASE).verifies(datagram)
        assert decode(datagram).statistics == Statistics(cpu=(CpuLoad(2, 99),))


def test_two_shapes_of_one_length_are_told_apart() -> None:
    memory, disk = part(0x35, struct.pack(">HQQ", 1, 2, 3)), part(0x37, struct.pack(">HQQ", 1, 2, 3))
    for _ in range(3):
        assert decode_statistics(signed(memory, disk)) == Statistics(memory=(Memory(1, 2, 3),), disk=(Disk(1, 2, 3),))
        assert decode_statistics(signed(disk, disk)) == Statistics(disk=(Disk(1, 2, 3), Disk(1, 2, 3)))
        with pytest.raises(PeerMistake, match="a second time"):
            decode_statistics(signed(memory, part(0x01, bytes(18))))


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "begin with a HMAC"),
        (CAPTURED[:43], "begin with a HMAC"),
        (b"\x00\x02" + CAPTURED[2:], "begin with a HMAC"),
        (CAPTURED[:24] + b"\x00\x12" + CAPTURED[26:], "begin with a HMAC"),
        (signed(part(0x01, bytes(20))), "0001 a second time"),
        (signed(part(0x11, bytes(16))), "0011 a second time"),
        (signed(part(0x33, b"\x00\x02")), "0033 has 2 bytes; it must have 3"),
        (signed(part(0x35, bytes(19))), "0035 has 19 bytes; it must have 18"),
        (signed(part(0x39, b"")), "0039 has 0 bytes; it must have 50"),
        (signed(b"\x00\x33\xff\xff\x00\x02\x63"), "needs 65535 bytes"),
    ],
)
def test_what_is_out_of_place_is_refused_with_the_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(PeerMistake, match=reason):
        decode(datagram)


def test_a_datagram_over_1024_bytes_is_nobodys() -> None:
    largest, over = signed(part(0x99, bytes(976))), signed(part(0x99, bytes(977)))
    assert len(largest) == MAX_DATAGRAM

    assert Key(PASSPHRASE).verifies(largest)
    assert decode(largest) == Heartbeat(SENDER, Statistics())
    assert not Key(PASSPHRASE).verifies(over)
    assert sender(over) is None
    with pytest.raises(PeerMistake, match="1025 bytes"):
        decode_statistics(over)


@given(st.binary(max_size=1100) | st.binary(max_size=200).map(signed) | st.binary(max_size=100).map(CAPTURED.__add__))
def test_any_bytes_are_a_heartbeat_or_a_peer_mistake(datagram: bytes) -> None:
    assert Key(b"another").verifies(datagram) is False
    assert (sender(datagram) is None) == (peek(datagram) is None)
    with contextlib.suppress(PeerMistake):
        assert decode(datagram).distribution_id == peek(datagram)


U8, U16, U64 = st.integers(0, 2**8 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1)
STATISTICS = st.builds(
    Statistics,
    cpu=st.lists(st.builds(CpuLoad, U16, U8), max_size=4).map(tuple),
    cpu_detail=st.lists(st.builds(CpuDetail, U16, U8, U8, U8, U8, U8), max_size=4).map(tuple),
    memory=st.lists(st.builds(Memory, U16, U64, U64), max_size=2).map(tuple),
    disk=st.lists(st.builds(Disk, U16, U64, U64), max_size=2).map(tuple),
    rates=st.lists(st.builds(Rates, U16, *[U64] * 6), max_size=4).map(tuple),
    counters=st.lists(st.builds(Counters, U16, *[U64] * 6), max_size=4).map(tuple),
    radio=st.lists(st.builds(Radio, U16, U8, U8, U8, U8), max_size=2).map(tuple),
)
HEARTBEATS = st.builds(Heartbeat, st.integers(0, 2**128 - 1).map(DistributionId), STATISTICS)


@given(HEARTBEATS, st.binary(min_size=1, max_size=100))
def test_a_heartbeat_survives_the_wire(heartbeat: Heartbeat, passphrase: bytes) -> None:
    datagram = encode(heartbeat, passphrase)

    assert len(datagram) <= MAX_DATAGRAM
    assert Key(passphrase).verifies(datagram)
    assert decode(datagram) == heartbeat
    assert hash(decode(datagram)) == hash(heartbeat)
    assert encode(decode(datagram), passphrase) == datagram


@given(HEARTBEATS, st.permutations([Radio, CpuLoad, CpuDetail, Memory, Disk, Counters, Rates]))
def test_the_groups_are_the_same_in_any_order_of_the_datagram(heartbeat: Heartbeat, kinds: list[type]) -> None:
    ordered = sorted(heartbeat.statistics, key=lambda statistic: kinds.index(type(statistic)))
    statistics = Statistics.unpacked(tuple(map(type, ordered)), tuple(chain.from_iterable(ordered)))

    assert decode(encode(Heartbeat(heartbeat.distribution_id, statistics), b"key")) == heartbeat


def test_statistics_that_differ_are_not_equal() -> None:
    assert Statistics(cpu=READ.cpu) != READ
    assert Statistics(memory=(Memory(1, 2, 3),)) != Statistics(disk=(Disk(1, 2, 3),))
    assert READ != "statistics"


def test_a_heartbeat_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(OurMistake, match="1024 are the most"):
        encode(Heartbeat(SENDER, Statistics(counters=(Counters(1, 0, 0, 0, 0, 0, 0),) * 19)), PASSPHRASE)


@pytest.mark.parametrize("cpu", [CpuLoad(0, 256), CpuLoad(65536, 1), CpuLoad(0, -1)])
def test_a_number_that_does_not_fit_its_field_is_not_sent(cpu: CpuLoad) -> None:
    with pytest.raises(OurMistake, match="does not fit its fields"):
        encode(Heartbeat(SENDER, Statistics(cpu=(cpu,))), PASSPHRASE)


@pytest.mark.parametrize("passphrase", [b"", b"x" * 1025])
def test_a_passphrase_that_no_client_has_is_no_key(passphrase: bytes) -> None:
    with pytest.raises(OurMistake, match="1 to 1024"):
        Key(passphrase)
    with pytest.raises(OurMistake, match="1 to 1024"):
        encode(Heartbeat(SENDER, Statistics()), passphrase)
