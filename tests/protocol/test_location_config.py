"""The text in a location server's answer: lines to the resolve server, and its certificate."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.lsconfig import (
    Line,
    LineDhcp,
    LineMobile,
    LinePppoe,
    LinePppoeIpv6,
    LineRa,
    LineStatic,
    LsConfig,
)
from protocol.errors import OurMistake, PeerMistake

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nTUlJ\nQQ==\n-----END CERTIFICATE-----\n"
INDEXES = st.integers(0, 2**31 - 1)
ADDRESSES = st.ip_addresses().map(str)


def values(longest: int, shortest: int = 1) -> st.SearchStrategy[str]:
    """What the language can say: no white space, no semicolon. Braces and keywords are taken as they are."""
    characters = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=";")
    return st.text(characters, min_size=shortest, max_size=longest) | st.sampled_from(["}", "{", "password"])


LINES: st.SearchStrategy[Line] = st.one_of(
    st.builds(LineDhcp, INDEXES),
    st.builds(LineRa, INDEXES),
    st.builds(LineStatic, INDEXES, ADDRESSES),
    st.builds(LinePppoe, INDEXES, values(35), values(35)),
    st.builds(LinePppoeIpv6, INDEXES, values(35), values(35)),
    st.builds(
        LineMobile,
        INDEXES,
        telno=values(39, 0),
        cid=INDEXES,
        apn=values(99, 0),
        pdp_type=st.sampled_from(["", "ip", "ppp"]),
        ipaddress=st.just("") | ADDRESSES,
        account=values(100, 0),
        password=values(100, 0),
    ),
)


@given(st.lists(LINES, min_size=1, max_size=3).map(tuple))
def test_every_config_survives_the_wire(lines: tuple[Line, ...]) -> None:
    config = LsConfig(lines, CERTIFICATE)

    assert LsConfig.parse(config.encode()) == config


def test_all_kinds_of_line_are_written_as_in_the_specification() -> None:
    lines = (
        LineStatic(1, "192.0.2.9"),
        LinePppoe(0, "a@example.jp", "secret"),
        LineMobile(2, telno="*99#", cid=3, apn="example.jp", pdp_type="ip"),
        LineRa(4),
    )

    assert LsConfig(lines, CERTIFICATE).encode() == (
        "line-static {\n    ifindex 1;\n    ipaddress 192.0.2.9;\n};\n"
        "line-pppoe {\n    ifindex 0;\n    account a@example.jp;\n    password secret;\n};\n"
        "line-mobile {\n    ifindex 2;\n    telno *99#;\n    cid 3;\n    apn example.jp;\n    pdp-type ip;\n};\n"
        "line-ra {\n    ifindex 4;\n};\n"
        f"rs-certificate {{\n{CERTIFICATE}}};\n"
    )


def test_unknown_words_and_loose_layout_are_read_as_a_client_reads_them() -> None:
    text = f"remark ignored;line-dhcp{{}} line-dhcp {{ mtu 1500; ifindex 7 }}\r\nrs-certificate {{\n{CERTIFICATE}}}"

    assert LsConfig.parse(text) == LsConfig((LineDhcp(7),), CERTIFICATE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks a line"),
        ("line-dhcp {\n    ifindex 0;\n};\n", "certificate"),
        (f"rs-certificate {{\n{CERTIFICATE}}};\n", "lacks a line"),
        ("line-dhcp {\n};\n", "line-dhcp .* is incomplete"),
        ("line-pppoe { ifindex 0; account a; };\n", "line-pppoe .* is incomplete"),
        ("line-dhcp { ifindex zero; };\n", "'zero', not a number"),
        ("line-dhcp { ifindex", "not a number"),
        ("line-dhcp { ifindex 0; };\nrs-certificate {\nhello\n};\n", "no PEM certificate"),
        ("line-ra { ifindex 0; };\n" * 6 + f"rs-certificate {{\n{CERTIFICATE}}};\n", "6 lines"),
    ],
)
def test_what_lacks_a_part_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(PeerMistake, match=reason):
        LsConfig.parse(text)


@given(st.text() | st.lists(st.sampled_from(["line-dhcp", "ifindex", "0", "{", "}", "rs-certificate"])).map(" ".join))
def test_any_text_is_a_config_or_a_peer_mistake(text: str) -> None:
    with contextlib.suppress(PeerMistake):
        assert LsConfig.parse(text).lines


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (LsConfig((), CERTIFICATE), "0 lines"),
        (LsConfig((LineRa(0),) * 6, CERTIFICATE), "6 lines"),
        (LsConfig((LineRa(-1),), CERTIFICATE), "ifindex of line-ra is -1"),
        (LsConfig((LinePppoe(0, "a" * 36, "p"),), CERTIFICATE), "account of line-pppoe must be 1 to 35"),
        (LsConfig((LinePppoe(0, "", "p"),), CERTIFICATE), "account of line-pppoe must be 1 to 35"),
        (LsConfig((LinePppoe(0, "a", "hunter 2"),), CERTIFICATE), "password of line-pppoe"),
        (LsConfig((LinePppoe(0, "a", "hunter;2"),), CERTIFICATE), "password of line-pppoe"),
        (LsConfig((LineMobile(0, apn="a" * 100),), CERTIFICATE), "apn of line-mobile must be 1 to 99"),
        (LsConfig((LineStatic(0, "gw.example.jp"),), CERTIFICATE), "numeric"),
        (LsConfig((LineRa(0),), ""), "rs-certificate must be one PEM"),
        (LsConfig((LineRa(0),), CERTIFICATE.strip()), "rs-certificate must be one PEM"),
        (LsConfig((LineRa(0),), CERTIFICATE * 2), "rs-certificate must be one PEM"),
        (LsConfig((LineRa(0),), CERTIFICATE.replace("\n", "\r\n")), "rs-certificate must be one PEM"),
        (LsConfig((LineRa(0),), CERTIFICATE.replace("TUlJ", "TUlJ\n" * 400 + "QQ")), "room for 2047"),
        (LsConfig((LineRa(0),), CERTIFICATE.replace("TUlJ", "A" * 256)), "over 255"),
    ],
)
def test_what_would_overrun_a_client_is_not_sent(config: LsConfig, reason: str) -> None:
    with pytest.raises(OurMistake, match=reason) as caught:
        config.encode()

    assert "hunter" not in str(caught.value)


def test_a_config_of_2047_bytes_is_the_largest() -> None:
    row = "A" * 64 + "\n"
    certificate = f"-----BEGIN CERTIFICATE-----\n{row * 29}%s\n-----END CERTIFICATE-----\n"
    rest = 2047 - len(LsConfig((LineRa(0),), certificate % "A").encode()) + 1

    assert len(LsConfig((LineRa(0),), certificate % ("A" * rest)).encode()) == 2047
    with pytest.raises(OurMistake, match="2048 bytes"):
        LsConfig((LineRa(0),), certificate % ("A" * (rest + 1))).encode()
