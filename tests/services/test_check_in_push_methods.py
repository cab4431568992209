"""Which push methods an adapter is told to try, and the certificate that https-simple needs (arms-protocol 3.2-3.3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from controller.services import check_in
from controller.services.pull_answers import push_method
from controller.store import registry as codes
from protocol.arms.xml import encode
from tests.services.devices import TERMS, Device, exchange

SIMPLE, TUNNEL = "https-simple", "https-tunnel"


async def prefer(registry, code: str, method: str | None) -> None:
    await codes.set_push_method(registry.db, code, method, caller=registry.operator, now=registry.clock())


async def registration(registry, device: Device):
    query = "SELECT sa_certificate, sa_private_key FROM registration WHERE adapter = $1"
    async with registry.db.connection() as connection:
        return await connection.fetchrow(query, device.serial)


def parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


@pytest.mark.parametrize(
    ("known", "preferred", "certificate", "told"),
    [
        ((SIMPLE, TUNNEL), None, None, (TUNNEL,)),
        ((SIMPLE, TUNNEL), SIMPLE, None, (TUNNEL,)),
        ((SIMPLE, TUNNEL), SIMPLE, "PEM", (SIMPLE, TUNNEL)),
        ((SIMPLE, TUNNEL), TUNNEL, "PEM", (TUNNEL, SIMPLE)),
        ((SIMPLE, TUNNEL), None, "PEM", (TUNNEL, SIMPLE)),
        ((TUNNEL,), SIMPLE, "PEM", (TUNNEL,)),
        ((SIMPLE,), TUNNEL, "PEM", (SIMPLE,)),
        ((), SIMPLE, "PEM", (TUNNEL,)),
        (("https-new",), None, None, (TUNNEL,)),
    ],
)
def test_the_methods_that_both_know_in_the_codes_order_and_never_none(known, preferred, certificate, told) -> None:
    answer = push_method(TERMS, {"preferred_push_method": preferred, "sa_certificate": certificate}, known)

    assert answer.methods == told


async def test_every_tunnel_url_and_the_echo_interval_are_told(registry, entry) -> None:
    await entry.boot()
    urls = ("https://192.0.2.1:8443/tunnel", "https://192.0.2.2:8443/tunnel")
    terms = replace(TERMS, tunnel_urls=urls, echo_interval_s=20)
    request = check_in.PushMethodQueryRequest(entry.id, (TUNNEL,), "test")

    knock = check_in.Knock(entry.rs_key, "127.1.2.3", registry.clock())
    answer = await check_in.query_push_method(registry.db, registry.vault, terms, request, knock)

    assert (answer.tunnel_urls, answer.echo_interval) == (urls, 20)


async def test_an_adapter_that_is_to_use_tunnels_gets_no_certificate(registry, entry) -> None:
    answer = await entry.boot()

    assert (answer.sa_certificate, answer.sa_private_key) == (None, None)
    assert (await entry.ask_method()).methods == (TUNNEL,)


async def test_a_code_that_prefers_https_simple_gives_its_adapter_a_certificate_of_its_own(registry, entry) -> None:
    await prefer(registry, f"E{entry.number}", SIMPLE)

    answer = await entry.boot()

    certificate, key = parsed(answer.sa_certificate), load_pem_private_key(answer.sa_private_key.encode(), None)
    assert key.public_key() == certificate.public_key()
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == str(entry.id)
    certificate.verify_directly_issued_by(parsed(entry.authority.root_pem))
    assert (await entry.ask_method()).methods == (SIMPLE, TUNNEL)


async def test_the_certificate_is_kept_with_its_key_sealed(registry, entry) -> None:
    await prefer(registry, f"E{entry.number}", SIMPLE)
    first = await entry.boot()

    second = await entry.boot()

    kept = await registration(registry, entry)
    assert first.sa_certificate == second.sa_certificate == kept["sa_certificate"]
    assert b"PRIVATE KEY" not in kept["sa_private_key"]
    assert registry.vault.open_text(kept["sa_private_key"], purpose="sa-private-key") == second.sa_private_key


async def test_a_method_chosen_after_the_pull_waits_for_the_certificate_of_the_next(registry, entry) -> None:
    await entry.boot()
    await prefer(registry, f"E{entry.number}", SIMPLE)

    assert (await entry.ask_method()).methods == (TUNNEL,)
    await entry.ask_rs()
    assert (await entry.ask_method()).methods == (SIMPLE, TUNNEL)


async def test_an_adapter_that_speaks_tls_1_0_only_gets_an_rsa_key_and_keeps_it(registry, entry) -> None:
    await prefer(registry, f"E{entry.number}", SIMPLE)
    modern = await entry.boot()
    assert isinstance(parsed(modern.sa_certificate).public_key(), ec.EllipticCurvePublicKey)

    request = check_in.ConfigSolicitationRequest(entry.id, "4.0", "power on boot", "3.40", "test")
    knock = check_in.Knock(entry.rs_key, "127.1.2.3", registry.clock())
    legacy = replace(TERMS, legacy=True)
    first, second = [
        await check_in.solicit_config(registry.db, registry.vault, entry.authority, legacy, request, knock)
        for _ in range(2)
    ]

    certificate, key = parsed(first.sa_certificate), load_pem_private_key(first.sa_private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey) and key.public_key() == certificate.public_key()
    assert second.sa_certificate == first.sa_certificate
    assert len(encode(first)) > 0, "both are short enough for a client"


async def test_it_is_renewed_before_it_ends_and_when_the_root_is_another(registry, entry, tmp_path) -> None:
    await prefer(registry, f"E{entry.number}", SIMPLE)
    first = await entry.boot()
    ends = parsed(first.sa_certificate).not_valid_after_utc

    registry.clock.now = ends - timedelta(days=31)
    assert (await entry.boot()).sa_certificate == first.sa_certificate
    registry.clock.now = ends - timedelta(days=29)
    renewed = await entry.boot()
    assert parsed(renewed.sa_certificate).not_valid_after_utc > ends

    entry.authority = type(entry.authority).at(tmp_path / "another", now=registry.clock())
    parsed((await entry.boot()).sa_certificate).verify_directly_issued_by(parsed(entry.authority.root_pem))


async def test_pulls_at_the_same_time_are_given_the_same_certificate(registry, entry) -> None:
    await entry.ask_ls()
    await prefer(registry, f"E{entry.number}", SIMPLE)

    answers = await asyncio.gather(*(entry.ask_rs() for _ in range(5)))

    certificates = {getattr(answer, "sa_certificate", None) for answer in answers} - {None}
    assert certificates == {(await registration(registry, entry))["sa_certificate"]}


async def test_an_exchange_ends_both_certificates(registry, entry, standby) -> None:
    await prefer(registry, f"E{entry.number}", SIMPLE)
    old = await entry.boot()

    await exchange(registry, entry, standby)

    assert [tuple(await registration(registry, each)) for each in (entry, standby)] == [(None, None)] * 2
    new = await standby.boot()
    assert new.sa_certificate != old.sa_certificate
