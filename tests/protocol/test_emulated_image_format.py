"""The emulated image's header: one spelling, read back exactly, and any other bytes refused with a sentence."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import OurMistake, PeerMistake
from protocol.image import HEADER_SIZE, MAX_PAYLOAD, Image, build

MODEL_LETTERS = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in ",*")
MODELS = st.lists(st.text(MODEL_LETTERS, min_size=1, max_size=12), max_size=4)
X4 = build("seil8", "3.42", ["SEIL/X4", "SEIL/x86 Ayame"], b"payload")


def test_the_header_is_512_bytes_that_a_person_can_read():
    assert len(X4) == HEADER_SIZE + len(b"payload")
    assert X4.startswith(
        b"HIKITSUGI EMULATED IMAGE 1\n"
        b"series: seil8\nversion: 3.42\nmodels: SEIL/X4,SEIL/x86 Ayame\npayload-size: 7\n    "
    )
    assert X4[HEADER_SIZE - 1 : HEADER_SIZE] == b"\n"


def test_the_header_is_read_from_the_first_bytes_alone():
    image = Image.parse_header(X4[:HEADER_SIZE])

    assert image == Image("seil8", "3.42", ("SEIL/X4", "SEIL/x86 Ayame"), 7)
    assert image.size == len(X4)


def test_an_image_without_models_fits_every_model_of_its_series():
    image = Image.parse_header(build("seil6", "5.66", [], b"x"))

    assert image.models == ()
    assert image.fits("SA-W2L")


def test_an_image_with_models_fits_no_other_model():
    image = Image.parse_header(X4)

    assert image.fits("SEIL/X4")
    assert not image.fits("SEIL/X")


@given(
    st.from_regex("[a-z][a-z0-9]{0,15}", fullmatch=True),
    st.from_regex("[0-9]{1,3}[.][0-9]{1,3}", fullmatch=True),
    MODELS,
    st.binary(min_size=1, max_size=64),
)
def test_what_was_built_reads_back(series, version, models, payload):
    built = build(series, version, models, payload)

    assert Image.parse_header(built) == Image(series, version, tuple(models), len(payload))
    assert built[HEADER_SIZE:] == payload


@given(st.binary(max_size=600))
def test_any_bytes_are_an_image_or_a_peers_mistake(data):
    with pytest.raises(PeerMistake):
        Image.parse_header(data)


@given(st.integers(0, HEADER_SIZE - 1), st.integers(1, 255))
def test_a_header_with_one_byte_changed_never_reads_as_the_same_image(position, change):
    changed = bytearray(X4)
    changed[position] ^= change

    with contextlib.suppress(PeerMistake):
        assert Image.parse_header(bytes(changed)) != Image.parse_header(X4)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"IMAGE 1", b"IMAGE 2", "begins with"),
        (b"series: seil8", b"series: SEIL8", "'series' line has a value"),
        (b"series: seil8", b"serien: seil8", "where its 'series' line belongs"),
        (b"version: 3.42", b"version: ../2", "'version' line has a value"),
        (b"models: SEIL/X4,", b"models: SEIL/X4\xe9", "'models' line has a value"),
        (b"payload-size: 7", b"payload-size: 0", "'payload-size' line has a value"),
        (b"payload-size: 7\n   ", b"payload-size: 7\n  x", "other than spaces"),
    ],
)
def test_a_wrong_header_is_refused_naming_the_line(old, new, complaint):
    assert len(old) == len(new)

    with pytest.raises(PeerMistake, match=complaint):
        Image.parse_header(X4.replace(old, new))


def test_a_payload_over_the_limit_is_refused():
    announced = X4.replace(b"payload-size: 7\n         ", b"payload-size: %d\n" % (MAX_PAYLOAD + 1))

    with pytest.raises(PeerMistake, match="at most"):
        Image.parse_header(announced)


def test_a_header_cut_short_says_how_much_there_was():
    with pytest.raises(PeerMistake, match="ends after 511 bytes"):
        Image.parse_header(X4[: HEADER_SIZE - 1])


@pytest.mark.parametrize(
    ("series", "version", "models", "payload"),
    [
        ("seil 8", "3.42", [], b"x"),
        ("seil8", "3/42", [], b"x"),
        ("seil8", "3.42", ["SEIL/X4,SEIL/X1"], b"x"),
        ("seil8", "3.42", ["*"], b"x"),
        ("seil8", "3.42", [" SEIL/X4"], b"x"),
        ("seil8", "3.42", ["ルーター"], b"x"),
        ("seil8", "3.42", ["A" * 40] * 20, b"x"),
        ("seil8", "3.42", [], b""),
    ],
)
def test_what_would_not_read_back_is_not_built(series, version, models, payload):
    with pytest.raises(OurMistake, match="no image of"):
        build(series, version, models, payload)
