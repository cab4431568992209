"""Secrets are taken out of what adapters print, in every form that the languages have; nothing else is."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.catalogue import MODELS
from agent.generate import Recipe, generate
from controller.series import by_name
from controller.series.masking import MASK, SECRETS, mask

SECRET = "7Kq-s3cr3t/Word"
HASH = "$2a$09$abcdefghijklmnopqrstuuMJlGZmsi8LZOWn0TCdlGqE4i2kJXx6a"


def masked(text: str) -> str:
    return mask(SECRETS, text.encode())[0].decode()


@pytest.mark.parametrize(
    "text",
    [
        f'ppp add isp authentication-method chap identifier "u@example.jp" passphrase "{SECRET}" tcp-mss auto',
        f'ppp add isp authentication-method chap identifier "u@example.jp" passphrase {SECRET} tcp-mss auto',
        f'ike peer add hq exchange-mode main address 203.0.113.9 preshared-key "{SECRET}"',
        f'ike preshared-key add 203.0.113.9 "{SECRET}"',
        f'ike preshared-key add "hq office" {SECRET}',
        f'snmp community "{SECRET}"',
        f"snmp community add {SECRET}",
        f"encrypted-password admin {SECRET}",
        f'encrypted-password-long user "{SECRET}"',
        f"password md5 {SECRET}",
        f"authentication account add r user u password {SECRET}",
        f'authentication realm add r radius shared-secret "{SECRET}"',
        f"route dynamic bgp neighbor add 192.0.2.1 authentication-key {SECRET}",
        f'ntp key 1 md5 "{SECRET}"',
        "wlan wep key1 0x0123456789",
        f'sshd hostkey rsa "{SECRET}"',
        f"load-from remote ftp://backup:{SECRET.replace('/', '-')}@192.0.2.9/config",
        f"ike.preshared-key.100.key: {SECRET}",
        f"interface.pppoe0.passphrase: {SECRET} with blanks, and {SECRET}",
        f"interface.wlan0.passphrase: {SECRET}",
        f"interface.wlan0.wpa-psk : {SECRET}",
        f"interface.wlan4.wep.key1: {SECRET}",
        f"snmp.community: {SECRET}",
        f"snmp.v3.user.100.auth-passphrase: {SECRET}",
        f"authentication.realm.0.radius.secret: {SECRET}",
        f"certificate.100.private-key: {SECRET}",
        f"sshd.hostkey: {SECRET}",
        f"login.admin.encrypted-password: {HASH}",
        f"admin {HASH}",
        f"  Password    : {SECRET}",
        f"Function Key:\r\n  Key             : {SECRET}",
        f'{{"passphrase": "{SECRET}"}}',
        f"-----BEGIN RSA PRIVATE KEY-----\r\n{SECRET}\r\n{SECRET}\r\n-----END RSA PRIVATE KEY-----",
        f"641 Nov 22 06:30:01    info system admin: ppp add isp passphrase {SECRET}",
    ],
)
@pytest.mark.parametrize("around", ["{}", "hostname x\r\n{}\r\ntimezone Japan\r\n", "\t{}  \n"])
def test_a_secret_is_masked_in_every_form(text: str, around: str) -> None:
    secrets = [SECRET, SECRET.replace("/", "-"), HASH[8:], "0x0123456789"]

    shown = masked(around.format(text))

    assert not any(secret in shown for secret in secrets)
    assert MASK.decode() in shown
    assert shown.startswith(around.format("~").partition("~")[0])


@pytest.mark.parametrize(
    "text",
    [
        "sshd password-authentication on",
        "sshd.password-authentication: enable",
        "sshd hostkey rsa auto",
        "sshd authorized-key admin add laptop ssh-rsa AAAAB3NzaC1yc2EAAAA",
        "sshd.authorized-keys.100.pubkey: ssh-rsa AAAAB3NzaC1yc2EAAAA",
        "ike.preshared-key.100.identifier.fqdn: branch-a",
        "Startup Key:\r\n  Distribution ID : 0001-0000-0000-000B-02E0-4DFF-FE10-0128\r\n  Memo            : x\r\n",
        "641 Nov 22 06:30:01    info system admin: password changed\r\n",
        "642 Nov 22 06:30:01   error system no common key exchange algorithm\r\n",
        "filter add ike interface pppoe0 direction in action pass protocol udp\r\n",
        "-----BEGIN PUBLIC KEY-----\r\nMIIB\r\n-----END PUBLIC KEY-----\r\n",
        'SEIL/X1 Ver. 7.34 (CodeName)\r\nHost    : "branch-a"\r\n',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(SECRETS, text.encode()) == (text.encode(), 0)


def test_what_stands_around_a_secret_stays_and_secrets_are_counted() -> None:
    text = 'ppp add isp passphrase "a b\\"c" tcp-mss auto\r\nsnmp community "x"\r\nsyslog remote on\r\n'

    assert mask(SECRETS, text.encode()) == (
        b'ppp add isp passphrase "********" tcp-mss auto\r\nsnmp community "********"\r\nsyslog remote on\r\n',
        2,
    )


# What a device takes for a passphrase: visible ASCII; a word of a log or one that qualifies the next is none.
_WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), min_size=6, max_size=40)
_NO_PROSE = re.compile(
    r"(?i)(?:accepted|authentication|changed|expired|failed|failure|incorrect|mismatch|rejected)\b.*"
)
SECRETS_THEMSELVES = _WORDS.filter(lambda word: not _NO_PROSE.fullmatch(word)).map(lambda word: word + "~7Q")
FORMS = st.sampled_from(
    [
        'ppp add isp identifier "u" passphrase "{}" tcp-mss auto',
        "ppp add isp identifier u passphrase {} tcp-mss auto",
        'ike peer add hq address 203.0.113.9 preshared-key "{}"',
        "ike.preshared-key.100.key: {}",
        "interface.wlan0.passphrase: {}",
        "snmp.community:{}",
    ]
)


@given(form=FORMS, secret=SECRETS_THEMSELVES)
@example(form="ppp add isp passphrase {}", secret="=:word:=")
@example(form="interface.wlan0.passphrase: {}", secret=":words:")
def test_any_secret_is_masked_and_the_lines_around_it_are_not(form: str, secret: str) -> None:
    head = form.partition("{}")[0]

    shown = masked(f"hostname branch\r\n{form.format(secret)}\r\nvendor OEM\r\n")

    assert shown.startswith(f"hostname branch\r\n{head}{MASK.decode()}")
    assert secret not in shown
    assert shown.endswith("\r\nvendor OEM\r\n")


@given(form=FORMS, secret=SECRETS_THEMSELVES, cut=st.integers(2, 40))
def test_what_is_left_of_a_secret_that_is_cut_off_is_masked(form: str, secret: str, cut: int) -> None:
    head = form.partition("{}")[0]

    assert masked(head + secret[:cut]) == head + MASK.decode()


@given(form=FORMS, secret=SECRETS_THEMSELVES, width=st.sampled_from([80, 132, 511]), shift=st.integers(0, 60))
def test_a_secret_that_the_terminal_wrapped_is_masked(form: str, secret: str, width: int, shift: int) -> None:
    head = form.partition("{}")[0]
    padding = "x" * max(0, width - len(head) - shift % (len(secret) + len(head)))
    line = f"{padding} {form.format(secret)}" if ":" not in head else f"{padding}.{form.format(secret)}"
    wrapped = "\r\n".join(line[at : at + width] for at in range(0, len(line), width))

    shown = masked(f"hostname branch\r\n{wrapped}\r\nvendor OEM\r\n")

    assert secret not in shown.replace("\r\n", "")
    if len(line) % width:  # else nobody can tell whether the next line is its end
        assert shown.endswith("vendor OEM\r\n")


@given(text=st.binary(max_size=2000))
def test_whatever_comes_is_read_and_what_has_no_secret_is_not_touched(text: bytes) -> None:
    body, count = mask(SECRETS, text)

    assert count or body == text


@given(text=st.text(st.sampled_from('pasword key:$1./"\\ \r\n-add=@secret'), max_size=400))
def test_masking_what_is_masked_changes_nothing_that_was_hidden(text: str) -> None:
    body, count = mask(SECRETS, text.encode())

    assert body.count(MASK) >= count
    assert len(body) <= len(text) + 8 * count


HOSTILE = {
    "stems": b"key",
    "keywords": b"password ",
    "quotes": b'passphrase "',
    "open quotes, a line each": b'password "\n',
    "keys without an end": b"key.",
    "dollars": b"$1$",
    "addresses": b"://a:b",
    "beginnings": b"-----begin a key-----",
    "peers": b"preshared-key add ",
    "backslashes": b'password "\\\\',
    "qualifiers": b"password " + b"add " * 1000,
    "full lines": b"key: " + b"a" * 75 + b"\r\n",
    "host keys": b"hostkey rsa ",
    "dashes": b"key-",
    "colons": b"password:",
    "nothing": b"a",
}


@pytest.mark.timeout(20)  # a pattern that is not linear takes hours
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_a_mebibyte_of_anything_is_read_in_linear_time(unit: bytes) -> None:
    text = (unit * (1 + (1 << 20) // len(unit)))[: 1 << 20]

    mask(SECRETS, text)
    mask(SECRETS, b'password "' + text)


@pytest.mark.parametrize("series", ["seil3", "seil8", "seil6"])
def test_no_sample_config_keeps_a_secret(series: str) -> None:
    rows = [row for row in generate(Recipe(count=60, contracts=1)) if row.series == series and row.config]
    assert {row.model for row in rows} == {model.name for model in MODELS if model.series == series}

    for row in rows:
        values = set(re.findall(r'(?:passphrase|preshared-key)(?:\.\d+\.key)?:? "?([a-z0-9]{16})', row.config))
        assert values
        body, count = by_name(series).mask(row.config.replace("\n", "\r\n").encode())

        assert count >= len(values)
        assert not any(value.encode() in body for value in values)
