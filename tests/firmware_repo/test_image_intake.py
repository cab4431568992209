"""An importer who was told something else about an image hears so before it is stored."""

from io import BytesIO

import pytest

from firmware_repo.errors import WrongImage
from firmware_repo.intake import inspect
from protocol.image import Image, build

IMAGE = build("seil8", "3.42", ["SEIL/X4"], b"payload" * 100)


def test_an_image_that_is_what_it_should_be_is_described(tmp_path):
    (tmp_path / "image").write_bytes(IMAGE)

    found = inspect(tmp_path / "image", series="seil8", version="3.42")

    assert found == Image("seil8", "3.42", ("SEIL/X4",), 700)


def test_a_stream_is_left_where_it_was():
    stream = BytesIO(b"envelope" + IMAGE)
    stream.seek(8)

    inspect(stream, series="seil8", version="3.42")

    assert stream.read() == IMAGE


@pytest.mark.parametrize(
    ("content", "series", "version", "complaint"),
    [
        (IMAGE, "seil6", "3.42", "says it is seil8 3.42, not seil6 3.42"),
        (IMAGE, "seil8", "3.41", "says it is seil8 3.42, not seil8 3.41"),
        (IMAGE[:-1], "seil8", "3.42", "has 1211 bytes, its header announces 1212"),
        (IMAGE + b"x", "seil8", "3.42", "has 1213 bytes, its header announces 1212"),
        (b"\x7fELF" + IMAGE, "seil8", "3.42", "not an emulated firmware image"),
        (b"", "seil8", "3.42", "ends after 0 bytes"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(content, series, version, complaint):
    with pytest.raises(WrongImage, match=complaint):
        inspect(BytesIO(content), series=series, version=version)
