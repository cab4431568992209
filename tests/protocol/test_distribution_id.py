"""Distribution ids: the printed form, its fields, and the ids made from MAC addresses."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

LAB = "0001-0000-0101-0000-0000-0000-DEAD-BEEF"


@given(st.integers(0, 2**128 - 1))
def test_every_id_survives_printing_and_parsing(value: int) -> None:
    identity = DistributionId(value)

    assert DistributionId.parse(str(identity)) == identity
    assert len(str(identity)) == 39
    assert str(identity) == str(identity).upper()
    assert int.from_bytes(identity.packed()) == value


def test_fields_are_cut_where_the_specification_says() -> None:
    identity = DistributionId.parse("0001-1234-5678-000F-02E0-4DFF-FE10-0128")

    assert identity.version == 1
    assert identity.vendor == 0x12345678
    assert identity.sa_type == 0x000F
    assert identity.sa_code == 0x02E04DFFFE100128


@pytest.mark.parametrize("mac", ["00:e0:4d:10:01:28", "00-E0-4D-10-01-28", "00e04d100128"])
def test_a_mac_address_gives_the_published_example(mac: str) -> None:
    assert str(DistributionId.from_mac(mac, sa_type=0x000B)) == "0001-0000-0000-000B-02E0-4DFF-FE10-0128"


def test_lower_case_is_the_same_id_and_prints_in_upper_case() -> None:
    assert str(DistributionId.parse(LAB.lower())) == LAB


@pytest.mark.parametrize(
    "text",
    [
        "",
        LAB + " ",
        " " + LAB,
        LAB + "\n",
        LAB[:-1],
        LAB[:-1] + "G",
        LAB.replace("-", ":"),
        LAB.replace("-", ""),
        "０" + LAB[1:],
    ],
)
def test_anything_else_is_not_an_id(text: str) -> None:
    with pytest.raises(PeerMistake, match="distribution id"):
        DistributionId.parse(text)


@given(st.text())
def test_any_text_is_an_id_or_a_peer_mistake(text: str) -> None:
    with contextlib.suppress(PeerMistake):
        assert str(DistributionId.parse(text)) == text.upper()


@pytest.mark.parametrize("mac", ["", "00:e0:4d:10:01", "00:e0-4d:10:01:28", "00:e0:4d:10:01:2g", "00e04d1001281"])
def test_anything_else_is_not_a_mac_address(mac: str) -> None:
    with pytest.raises(PeerMistake, match="MAC address"):
        DistributionId.from_mac(mac, sa_type=1)


def test_fields_that_do_not_fit_are_our_mistake() -> None:
    with pytest.raises(OurMistake):
        DistributionId.from_mac("00:e0:4d:10:01:28", sa_type=0x10000)
    with pytest.raises(OurMistake):
        DistributionId(1 << 128)


def test_ids_sort_by_value() -> None:
    assert sorted([DistributionId(2), DistributionId(1)]) == [DistributionId(1), DistributionId(2)]
