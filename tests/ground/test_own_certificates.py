"""The product's certificates: what ARMS clients demand, what openssl verifies, and when they are renewed."""

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from controller.authority import Authority
from controller.startup import CannotStart

NOW = datetime.now(UTC)
ADDRESSES = ["192.0.2.10", "2001:db8::1", "controller.example"]
ADAPTER = "0001-0000-0101-0000-0000-0000-DEAD-BEEF"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.at(tmp_path / "authority", now=NOW)


def chain(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def openssl(*arguments: object) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


def test_the_root_is_named_as_adapters_demand_and_lasts_twenty_years(authority: Authority) -> None:
    (root,) = chain(authority.root_file)

    assert root.subject.rfc4514_string() == "CN=ARMS Root CA"
    assert root.issuer == root.subject
    assert root.not_valid_after_utc - NOW > timedelta(days=20 * 365 - 1)
    root.verify_directly_issued_by(root)


def test_every_certificate_of_the_chain_is_named_as_adapters_demand(authority: Authority) -> None:
    server, root = chain(authority.location_server("hikitsugi", ADDRESSES, now=NOW))

    assert server.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "Location Server hikitsugi"
    assert [root] == chain(authority.root_file)
    server.verify_directly_issued_by(root)


def test_the_root_leaves_room_for_the_lines_in_its_2048_byte_message(authority: Authority) -> None:
    assert len(authority.root_pem) < 1024


def test_the_server_certificate_holds_every_address_it_is_served_on(authority: Authority) -> None:
    server = chain(authority.location_server("hikitsugi", ADDRESSES, now=NOW))[0]

    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == set(ADDRESSES)


def test_what_we_show_adapters_is_a_client_certificate_and_is_kept(authority: Authority) -> None:
    path = authority.push_client(now=NOW)
    before = path.read_bytes()

    said = openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", authority.root_file, path)

    assert said.strip().endswith(": OK")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert authority.push_client(now=NOW + timedelta(days=300)).read_bytes() == before
    assert authority.push_client(now=NOW + timedelta(days=370)).read_bytes() != before


def test_an_adapters_certificate_lasts_until_thirty_days_before_its_end_and_under_its_own_root(
    authority: Authority, tmp_path: Path
) -> None:
    issued = authority.issue_to_adapter(ADAPTER, now=NOW).certificate

    assert authority.lasts(issued, now=NOW + timedelta(days=366))
    assert not authority.lasts(issued, now=NOW + timedelta(days=368))
    assert not Authority.at(tmp_path / "another", now=NOW).lasts(issued, now=NOW)
    assert not authority.lasts("no certificate", now=NOW)


@pytest.mark.parametrize(("kind", "address"), list(zip(["ip", "ip", "hostname"], ADDRESSES, strict=True)))
def test_openssl_verifies_the_server_for_its_addresses(authority: Authority, kind: str, address: str) -> None:
    path = authority.location_server("hikitsugi", ADDRESSES, now=NOW)
    serves = ["-purpose", "sslserver", f"-verify_{kind}", address]
    said = openssl("verify", "-x509_strict", *serves, "-CAfile", authority.root_file, path)

    assert said.strip().endswith(": OK")


def test_openssl_refuses_the_server_for_another_address(authority: Authority) -> None:
    path = authority.location_server("hikitsugi", ADDRESSES, now=NOW)

    said = openssl("verify", "-verify_ip", "192.0.2.11", "-CAfile", authority.root_file, path)

    assert "IP address mismatch" in said


def test_openssl_verifies_an_adapters_certificate_as_client(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue_to_adapter(ADAPTER, now=NOW)
    (tmp_path / "adapter.pem").write_text(issued.certificate)

    said = openssl("verify", "-purpose", "sslclient", "-CAfile", authority.root_file, tmp_path / "adapter.pem")

    assert said.strip().endswith(": OK")
    assert ADAPTER in openssl("x509", "-noout", "-subject", "-in", tmp_path / "adapter.pem")
    assert max(len(issued.certificate), len(issued.private_key)) < 5120


@pytest.mark.parametrize("name", ["", "Location Server evil", ADAPTER.lower(), ADAPTER + "\n", ADAPTER[:-1]])
def test_an_adapter_gets_no_certificate_for_another_name(authority: Authority, name: str) -> None:
    with pytest.raises(ValueError, match="Not a distribution id"):
        authority.issue_to_adapter(name, now=NOW)


def test_a_restart_changes_nothing(authority: Authority, tmp_path: Path) -> None:
    served = authority.location_server("hikitsugi", ADDRESSES, now=NOW).read_bytes()

    later = Authority.at(tmp_path / "authority", now=NOW + timedelta(days=300))

    assert later.root_pem == authority.root_pem
    assert later.location_server("hikitsugi", reversed(ADDRESSES), now=NOW + timedelta(days=300)).read_bytes() == served


@pytest.mark.parametrize(
    "change",
    [
        {"now": NOW + timedelta(days=368)},
        {"now": NOW + timedelta(days=5000)},
        {"now": NOW - timedelta(days=2)},
        {"addresses": ADDRESSES[:2]},
        {"addresses": [*ADDRESSES, "192.0.2.99"]},
        {"name": "elsewhere"},
    ],
    ids=["ends-in-29-days", "ended", "not-yet-valid", "address-gone", "address-new", "renamed"],
)
def test_a_certificate_is_renewed_when_needed(authority: Authority, change: dict[str, object]) -> None:
    usual = {"name": "hikitsugi", "addresses": ADDRESSES, "now": NOW}
    before = authority.location_server(**usual).read_bytes()

    after = authority.location_server(**usual | change)

    assert after.read_bytes() != before
    chain(after)[0].verify_directly_issued_by(chain(authority.root_file)[0])


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\n", bytes(range(256))])
def test_a_damaged_server_certificate_is_made_anew(authority: Authority, damage: bytes) -> None:
    path = authority.api(["127.0.0.1"], now=NOW)
    path.write_bytes(damage)

    assert len(chain(authority.api(["127.0.0.1"], now=NOW))) == 2


def test_a_certificate_of_another_root_is_replaced(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.at(tmp_path / "stranger", now=NOW).api(["127.0.0.1"], now=NOW)
    path = authority.api(["127.0.0.1"], now=NOW)
    shutil.copy(stranger, path)

    chain(authority.api(["127.0.0.1"], now=NOW))[0].verify_directly_issued_by(chain(authority.root_file)[0])


def test_a_damaged_root_stops_the_start_and_is_kept(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "authority" / "root.key"
    path.write_text("damaged")

    with pytest.raises(CannotStart, match=r"root\.key is damaged .*Restore it from a backup"):
        Authority.at(tmp_path / "authority", now=NOW)
    assert path.read_text() == "damaged"


def test_a_lost_public_root_is_written_again(authority: Authority, tmp_path: Path) -> None:
    authority.root_file.unlink()

    assert Authority.at(tmp_path / "authority", now=NOW).root_file.read_text() == authority.root_pem


def test_private_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    authority.location_server("hikitsugi", ADDRESSES, now=NOW)
    authority.api(ADDRESSES, now=NOW)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "authority").iterdir()}

    assert modes == {"root.key": 0o600, "root.pem": 0o644, "location-server.pem": 0o600, "api.pem": 0o600}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStart, match="Cannot keep certificates in"):
        Authority.at(tmp_path / "file" / "authority", now=NOW)
