"""Which controller and key a command uses: options, then environment, then what the controller of this machine left."""

from pathlib import Path

import pytest

from controller.cli.failures import CliError, Exit
from controller.cli.profile import Options, choose, data_dir, save


def key(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(f"{name}.secret\n")
    return path


@pytest.fixture
def left(tmp_path: Path) -> dict[str, str]:
    """An environment in which a controller has been started."""
    ca_file = tmp_path / "root.pem"
    ca_file.write_text("PEM")
    save(tmp_path, url="https://127.0.0.1:8443", key_file=key(tmp_path, "admin"), ca_file=ca_file)
    return {"HIKITSUGI_DATA_DIR": str(tmp_path)}


def test_on_the_controllers_machine_nothing_needs_to_be_said(left: dict[str, str], tmp_path: Path):
    profile = choose(Options(), left)

    assert profile.url.geturl() == "https://127.0.0.1:8443"
    assert (profile.key, profile.ca_file) == ("admin.secret", str(tmp_path / "root.pem"))


def test_the_environment_beats_what_the_controller_left(left: dict[str, str], tmp_path: Path):
    profile = choose(Options(), {**left, "HIKITSUGI_KEY_FILE": str(key(tmp_path, "mine"))})

    assert (profile.key, profile.url.port) == ("mine.secret", 8443)


def test_an_option_beats_the_environment(left: dict[str, str], tmp_path: Path):
    environ = {**left, "HIKITSUGI_KEY_FILE": str(key(tmp_path, "mine")), "HIKITSUGI_URL": "https://other:1"}
    options = Options(url="https://third:2", key_file=str(key(tmp_path, "option")))

    profile = choose(options, environ)

    assert (profile.url.geturl(), profile.key) == ("https://third:2", "option.secret")


def test_the_local_administrators_key_is_never_sent_to_another_controller(left: dict[str, str]):
    profile = choose(Options(url="https://elsewhere.example:8443"), left)

    assert (profile.key, profile.ca_file) == ("", "")


def test_what_the_controller_leaves_contains_no_secret(left: dict[str, str], tmp_path: Path):
    assert "secret" not in (tmp_path / "client.json").read_text()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"url": 5}', "\udcff"])
def test_a_damaged_note_of_the_controller_is_as_good_as_none(tmp_path: Path, content: str):
    (tmp_path / "client.json").write_text(content, errors="surrogateescape")

    with pytest.raises(CliError, match="not known where"):
        choose(Options(), {"HIKITSUGI_DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "not known where"),
        ("controller.example", "not the address"),
        ("ftp://controller.example", "not the address"),
        ("https://", "not the address"),
        ("https://controller.example:port", "not the address"),
        ("https://controller.example:0", "not the address"),
        ("https://[::1", "not the address"),
        ("http://controller.example:80", "unencrypted"),
        ("http://192.0.2.7:80", "unencrypted"),
        ("http://127.0.0.1.example:80", "unencrypted"),
    ],
)
def test_an_address_that_is_none_or_unsafe_is_refused_with_a_next_step(url: str, sentence: str, tmp_path: Path):
    with pytest.raises(CliError, match=sentence) as refused:
        choose(Options(url=url), {"HIKITSUGI_DATA_DIR": str(tmp_path)})

    assert refused.value.exit_code is Exit.REFUSED
    assert refused.value.next_step


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://[::1]:80", "http://localhost:80", "https://a:1/base/"])
def test_loopback_may_be_plain(url: str, tmp_path: Path):
    assert choose(Options(url=url), {"HIKITSUGI_DATA_DIR": str(tmp_path)}).url.geturl() == url.rstrip("/")


@pytest.mark.parametrize("options", [Options(key_file="/nowhere/key"), Options(ca_file="/nowhere/root.pem")])
def test_a_file_that_is_named_must_be_there(options: Options, tmp_path: Path):
    named = Options("https://a:1", options.key_file, options.ca_file)

    with pytest.raises(CliError, match="/nowhere/"):
        choose(named, {"HIKITSUGI_DATA_DIR": str(tmp_path)})


def test_the_data_directory_follows_the_xdg_rules():
    assert data_dir({"HOME": "/home/k"}) == Path("/home/k/.local/share/hikitsugi")
    assert data_dir({"HOME": "/home/k", "XDG_DATA_HOME": "/x"}) == Path("/x/hikitsugi")
    assert data_dir({"HOME": "/home/k", "XDG_DATA_HOME": "/x", "HIKITSUGI_DATA_DIR": "/y"}) == Path("/y")
