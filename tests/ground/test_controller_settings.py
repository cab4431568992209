"""Settings: who wins, and that every wrong value is reported at once with its key, its origin and what is allowed."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.settings import Endpoint, Settings, load
from controller.settings.page import markdown
from controller.settings.reading import allowed_for
from controller.startup import CannotStart


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the person who runs the tests is read."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path


def config(home: Path, text: str) -> Path:
    path = home / "config" / "hikitsugi" / "controller.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def secrets(home: Path, **files: str) -> Path:
    folder = home / "secrets"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def given(**settings: object) -> Settings:
    """With these on the command line."""
    return load(None, settings)


def faults(config: Path | None = None, secrets_dir: Path | None = None, **command_line: object) -> list[str]:
    with pytest.raises(CannotStart) as caught:
        load(config, command_line, secrets_dir=secrets_dir)
    first, *lines = str(caught.value).split("\n  ")
    assert first == "The settings are wrong; nothing was started:"
    return lines


def test_without_any_source_the_defaults_hold(home: Path) -> None:
    settings = load()

    assert settings.data_dir == home / "share" / "hikitsugi"
    assert settings.secrets_key_file == settings.data_dir / "secrets.key"
    assert settings.database_url is None
    assert settings.advertised == settings.device_listen == Endpoint("127.0.0.1", 8443)


def test_later_sources_win(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(home, "ssh_line_s = 1\nssh_login_s = 1\nssh_connect_s = 1\nssh_total_s = 1")
    folder = secrets(home, ssh_login_s="2\n", ssh_connect_s="2\n", ssh_total_s="2\n")
    monkeypatch.setenv("HIKITSUGI_SSH_CONNECT_S", "3")
    monkeypatch.setenv("HIKITSUGI_SSH_TOTAL_S", "3")

    settings = load(None, {"ssh_total_s": 4}, secrets_dir=folder)

    assert (settings.ssh_line_s, settings.ssh_login_s, settings.ssh_connect_s, settings.ssh_total_s) == (1, 2, 3, 4)


def test_file_and_secrets_directory_can_be_named_by_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "elsewhere.toml").write_text("log_format = 'json'")
    monkeypatch.setenv("HIKITSUGI_CONFIG", str(home / "elsewhere.toml"))
    monkeypatch.setenv("HIKITSUGI_SECRETS_DIR", str(secrets(home, database_url="postgresql://u:pw@db/x")))

    settings = load()

    assert settings.log_format == "json"
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:pw@db/x"


def test_every_wrong_value_is_reported_at_once_with_its_origin(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(home, "ssh_concurrency = 0\nssh_concurency = 5\ndevice_listen = '0.0.0.0:8443'\n[table]\nx = 1")
    folder = secrets(home, database_url="mysql://u:hunter2@db/x")
    monkeypatch.setenv("HIKITSUGI_API_LISTEN", "localhost:80")
    monkeypatch.setenv("HIKITSUGI_LOG_LEVEL", "loud")

    lines = faults(None, folder, drain_s=-1)

    assert sorted(lines) == [
        "api_listen = 'localhost:80' (environment): "
        "allowed is numeric address and port, like 192.0.2.10:8443 or [2001:db8::1]:8443",
        f"database_url = (hidden) (secrets directory {folder}): allowed is postgresql:// URL",
        "device_advertise: must be set when device_listen is 0.0.0.0:8443: "
        "adapters need an address and port of this host",
        "drain_s = -1 (command line): allowed is seconds from 0 to 300",
        "log_level = 'loud' (environment): allowed is debug, info, warning or error",
        f"ssh_concurency (file {path}): no such setting; did you mean ssh_concurrency?",
        f"ssh_concurrency = 0 (file {path}): allowed is whole number from 1 to 10000",
        f"table (file {path}): no such setting",
    ]


def test_a_wrong_data_dir_does_not_hide_behind_what_depends_on_it(home: Path) -> None:
    path = config(home, "data_dir = 5\ndrain_s = 'long'")

    assert faults() == [
        f"data_dir = 5 (file {path}): allowed is path",
        f"drain_s = 'long' (file {path}): allowed is seconds from 0 to 300",
    ]


@pytest.mark.parametrize("text", ["drain_s = \n", "drain_s = 1\ndrain_s = 2\n"])
def test_a_file_that_is_no_toml_is_reported_with_its_line(home: Path, text: str) -> None:
    path = config(home, text)

    (line,) = faults()

    assert line.startswith(f"file {path}: ")
    assert "line" in line


def test_named_sources_must_exist(home: Path) -> None:
    missing = home / "missing"

    assert faults(missing, missing) == [
        f"file {missing}: does not exist",
        f"secrets directory {missing}: does not exist",
    ]


def test_a_file_that_cannot_be_read_is_reported(home: Path) -> None:
    assert faults(home) == [f"file {home}: Is a directory"]
    (home / "binary").write_bytes(b"\xff\xfe")
    assert faults(home / "binary")[0].startswith(f"file {home / 'binary'}: ")


@pytest.mark.parametrize("advertise", ["0.0.0.0:8443", "[::]:8443", "192.0.2.1:0"])
def test_adapters_are_not_sent_to_an_address_that_is_none(advertise: str) -> None:
    (line,) = faults(device_advertise=advertise)

    assert line.startswith("device_advertise (command line): adapters cannot connect to it")


def test_adapters_are_not_sent_to_any_free_port() -> None:
    (line,) = faults(device_listen="127.0.0.1:0")

    assert line.startswith("device_advertise: must be set when device_listen is 127.0.0.1:0")


def test_what_adapters_are_told_follows_the_advertised_address() -> None:
    settings = given(
        device_listen="0.0.0.0:8443", device_advertise="192.0.2.7:443", legacy_device_listen="192.0.2.8:1443"
    )

    assert str(settings.advertised) == "192.0.2.7:443"
    assert settings.heartbeats_advertised.host == "192.0.2.7"
    assert settings.device_addresses == ("192.0.2.7", "192.0.2.8")


@pytest.mark.parametrize(
    ("listen", "advertise", "told"),
    [
        ("192.0.2.1:9443", "", ["192.0.2.1:9443"]),
        ("192.0.2.1:9443", "192.0.2.1:8443,192.0.2.2:8443", ["192.0.2.1:9443"]),
        ("0.0.0.0:9443", "192.0.2.1:8443,192.0.2.1:9443,192.0.2.2:9443", ["192.0.2.1:9443", "192.0.2.2:9443"]),
    ],
)
def test_adapters_that_speak_tls_1_0_only_are_told_tunnels_that_they_can_use(listen, advertise, told) -> None:
    settings = given(device_listen="192.0.2.1:8443", legacy_device_listen=listen, tunnel_advertise=advertise)

    assert [str(each) for each in settings.legacy_tunnels] == told


@pytest.mark.parametrize(
    ("listen", "tls", "used"),
    [
        ("127.0.0.1:80", "auto", False),
        ("[::1]:80", "auto", False),
        ("0.0.0.0:80", "auto", True),
        ("192.0.2.1:80", "auto", True),
        ("192.0.2.1:80", "off", False),
        ("127.0.0.1:80", "on", True),
    ],
)
def test_the_api_uses_tls_off_loopback_unless_told_otherwise(listen: str, tls: str, used: bool) -> None:
    assert given(api_listen=listen, api_tls=tls).api_uses_tls is used


def test_lists_are_text_with_commas_or_toml_lists(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(home, 'api_names = ["a.example", "b.example"]')
    assert load().api_names == ("a.example", "b.example")

    monkeypatch.setenv("HIKITSUGI_API_NAMES", "c.example, 192.0.2.1")
    assert load().api_names == ("c.example", "192.0.2.1")


@pytest.mark.parametrize("text", ['"""Returns\n  Kanda 1-2\n"""', '["Returns", "Kanda 1-2"]', '"Returns\\nKanda 1-2"'])
def test_an_address_is_lines_of_text_or_a_list_of_them(home: Path, text: str) -> None:
    """R3.9."""
    assert load(config(home, f"return_address = {text}")).return_address == "Returns\nKanda 1-2"


def test_an_address_steers_no_terminal_and_is_not_endless() -> None:
    assert "return_address = 'a\\x1b[2J'" in faults(return_address="a\x1b[2J")[0]
    assert "up to 500 characters" in faults(return_address="x" * 501)[0]
    assert "list of lines" in faults(return_address=7)[0]


def test_an_empty_variable_counts_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(home, "drain_s = 3")
    monkeypatch.setenv("HIKITSUGI_DRAIN_S", "")
    monkeypatch.setenv("HIKITSUGI_LEGACY_DEVICE_LISTEN", "")

    assert (load().drain_s, load().legacy_device_listen) == (3, None)


def test_a_home_sign_in_a_path_is_understood(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("HOME", str(home))

    assert given(data_dir="~/here").data_dir == home / "here"


def test_settings_cannot_be_changed_and_do_not_print_secrets() -> None:
    settings = given(database_url="postgresql://u:hunter2@db/x")

    with pytest.raises(ValidationError):
        settings.drain_s = 1  # type: ignore[misc]
    assert "hunter2" not in f"{settings!r} {settings}"


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_setting_says_what_is_allowed_and_what_it_is_for(key: str) -> None:
    assert allowed_for(key).words
    assert Settings.model_fields[key].description
    assert f"| `{key}` |" in markdown()


@hypothesis.given(st.ip_addresses(), st.integers(min_value=0, max_value=65535))
def test_an_endpoint_reads_what_it_prints(address: object, port: int) -> None:
    endpoint = Endpoint(str(address), port)

    assert Endpoint.parse(str(endpoint)) == endpoint


@hypothesis.given(st.text(max_size=30))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    try:
        assert Endpoint.parse(str(Endpoint.parse(text)))
    except ValueError:
        return


@pytest.mark.parametrize(
    "text", ["", "8443", ":8443", "::1:8443", "[127.0.0.1]:1", "127.0.0.1:-1", "127.0.0.1:65536", "h:1"]
)
def test_what_is_no_numeric_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("listen", "reached_at"),
    [("0.0.0.0:8480", "127.0.0.1:8480"), ("[::]:8480", "[::1]:8480"), ("192.0.2.1:1", "192.0.2.1:1")],
)
def test_what_listens_on_every_address_is_reached_from_here_on_loopback(listen: str, reached_at: str) -> None:
    assert str(Endpoint.parse(listen).from_here) == reached_at
