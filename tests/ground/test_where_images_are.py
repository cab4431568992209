"""Settings of images: files of this host, or a store that is talked to over TLS only, with a key of its own."""

import sys
from pathlib import Path

import pytest

from controller.firmware_images import open_images
from controller.settings import Settings, load
from controller.startup import CannotStart
from firmware_repo.blobs import Blobs
from firmware_repo.s3 import BucketImages

STORE = {
    "firmware_s3_url": "https://s3.example.net",
    "firmware_s3_bucket": "images",
    "firmware_s3_access_key": "key",
    "firmware_s3_secret_key": "hidden",
}


def settings(folder: Path, **changed: object) -> Settings:
    return load(None, {"data_dir": str(folder), **changed})


def test_images_are_files_unless_a_store_is_named(tmp_path: Path) -> None:
    assert isinstance(open_images(settings(tmp_path)), Blobs)
    assert isinstance(open_images(settings(tmp_path, **STORE)), BucketImages)


def test_its_secrets_come_from_the_secrets_directory_and_are_never_shown(tmp_path: Path) -> None:
    for name in ("firmware_s3_access_key", "firmware_s3_secret_key"):
        (tmp_path / name).write_text("hidden\n")
    rest = {name: STORE[name] for name in ("firmware_s3_url", "firmware_s3_bucket")}

    read = load(None, {"data_dir": str(tmp_path), **rest}, secrets_dir=tmp_path)

    assert read.firmware_s3_secret_key is not None
    assert read.firmware_s3_secret_key.get_secret_value() == "hidden"
    assert "hidden" not in repr(read)
    assert "hidden" not in repr(vars(open_images(read))["_bucket"]._access)


@pytest.mark.parametrize("missing", ["firmware_s3_bucket", "firmware_s3_access_key", "firmware_s3_secret_key"])
def test_a_store_needs_a_bucket_and_a_key(tmp_path: Path, missing: str) -> None:
    with pytest.raises(CannotStart, match=f"{missing}.*must be set when firmware_s3_url is"):
        settings(tmp_path, **{key: value for key, value in STORE.items() if key != missing})


@pytest.mark.parametrize(
    "url",
    ["http://s3.example.net", "s3.example.net", "https://", "https://key:secret@s3.example.net", "https://s3/bucket"],
)
def test_a_store_is_named_by_its_host_and_talked_to_over_tls(tmp_path: Path, url: str) -> None:
    with pytest.raises(CannotStart, match=r"firmware_s3_url.*https:// URL of a host"):
        settings(tmp_path, **{**STORE, "firmware_s3_url": url})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000/"])
def test_on_loopback_a_store_may_be_talked_to_without_tls(tmp_path: Path, url: str) -> None:
    assert settings(tmp_path, **{**STORE, "firmware_s3_url": url}).firmware_s3_url == url.rstrip("/")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "firmware_repo.bucket")
    monkeypatch.delitem(sys.modules, "firmware_repo.s3")
    for name in [name for name in sys.modules if name.partition(".")[0] == "boto3"]:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(CannotStart, match=r"pip install 'hikitsugi\[s3\]'"):
        open_images(settings(tmp_path, **STORE))


def test_authorities_that_are_not_there_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"none\.pem"):
        open_images(settings(tmp_path, **STORE, firmware_s3_ca=str(tmp_path / "none.pem")))
