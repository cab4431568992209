"""Releases by command: imported and never changed, compared, verified, withdrawn (R4.1-R4.3)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from protocol.image import build
from tests.api.conftest import Api
from tests.cli.conftest import By, Ended
from tests.registry_fixtures import Registry


def written(folder: Path, version: str, **more: str) -> Path:
    """A release of seil8 as TOML with its image and notes; the TOML file. more: fields, as TOML writes them."""
    image = build("seil8", version, (), version.encode() * 50)
    (folder / f"{version}.img").write_bytes(image)
    (folder / f"{version}.md").write_text(f"# {version}\n- 経路の修正\n")
    facts = {
        "image": f'"{version}.img"',
        "series": '"seil8"',
        "version": f'"{version}"',
        "sha256": f'"{hashlib.sha256(image).hexdigest()}"',
        "released_at": "2026-11-21T12:00:00+09:00",
        "notes_ja": f'"{version}.md"',
    }
    file = folder / f"{version}.toml"
    file.write_text("\n".join(f"{name} = {value}" for name, value in (facts | more).items()))
    return file


def ok(ended: Ended) -> str:
    assert ended.code == 0, ended.err
    return ended.out


async def test_a_release_is_imported_with_all_a_vendor_says_and_never_changes(by: By, tmp_path: Path) -> None:
    """R4.1: vendor's time, availability, what missed the day; a released version never changes."""
    file = written(tmp_path, "8.40", from_lowest='"8.30"', code_name='"Etude"')

    first = await by("root", "firmware", "import", "--release", str(file))
    again = await by("root", "firmware", "import", "--release", str(file))
    other = await by("root", "firmware", "import", "--release", str(file), "--from-lowest", "8.20")

    assert "8.40" in ok(first) and "UNSIGNED" in first.err and "already" in ok(again)
    assert other.code == 2 and "from_lowest" in other.err
    shown = ok(await by("olga", "firmware", "show", "seil8", "8.40"))
    assert all(word in shown for word in ("Etude", "8.30", "経路の修正"))
    late = (await by("olga", "firmware", "missed", "seil8", "--json")).json()
    assert ("8.40", 1) in [(each["version"], each["days_late"]) for each in late]
    ok(await by("root", "firmware", "missed", "seil8", "8.40", "--why", "holiday"))
    assert "holiday" in ok(await by("olga", "firmware", "missed"))


async def test_an_image_without_a_known_header_needs_the_vendors_digest(by: By, tmp_path: Path) -> None:
    """R4.1: import checks what it can."""
    image = tmp_path / "real.img"
    image.write_bytes(b"\x7fELF" + bytes(1000))
    asked = ("firmware", "import", str(image), "--series", "seil8", "--version", "8.41")

    refused = await by("root", *asked)
    taken = await by("root", *asked, "--sha256", hashlib.sha256(image.read_bytes()).hexdigest(), "--size", "1004")
    renamed = await by("root", *asked[:-1], "8.42", "--sha256", hashlib.sha256(image.read_bytes()).hexdigest())

    assert refused.code == 2 and "--sha256" in refused.err
    assert taken.code == 0 and "sha256 only" in taken.err
    assert renamed.code == 2 and "another name" in renamed.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"size": "7"}, "says 7"),
        ({"sha256": '"' + "0" * 64 + '"'}, "sha256"),
        ({"series": '"seil3"'}, "seil8"),
        ({"models": '["SA-W2"]'}, "SA-W2"),
        ({"from_lowest": '"8.99"'}, "lower"),
        ({"released_at": "2027-11-21T12:00:00+09:00"}, "yet to come"),
        ({"color": '"red"'}, "color"),
    ],
    ids=["size", "digest", "series", "model", "from", "future", "unknown"],
)
async def test_what_contradicts_itself_is_refused_and_nothing_is_catalogued(by: By, tmp_path: Path, more, said) -> None:
    """R4.1: import checks what it can."""
    ended = await by("root", "firmware", "import", "--release", str(written(tmp_path, "8.50", **more)))

    assert ended.code == 2 and said in ended.err
    assert "8.50" not in ok(await by("root", "firmware", "ls"))


async def test_notes_of_all_versions_in_between_are_shown_and_what_a_downgrade_loses(by: By, tmp_path: Path) -> None:
    """R4.2: the operator decides from the release notes."""
    for version in ("8.60", "8.61", "8.62"):
        ok(await by("root", "firmware", "import", "--release", str(written(tmp_path, version))))

    up = ok(await by("olga", "firmware", "diff-notes", "seil8", "8.60", "8.62", "--lang", "ja"))
    down = ok(await by("olga", "firmware", "diff-notes", "seil8", "8.62", "8.61"))
    from_the_factory = ok(await by("olga", "firmware", "diff-notes", "seil8", "8.59", "8.61"))
    no_version = await by("olga", "firmware", "diff-notes", "seil8", "newest", "8.61")

    assert "# 8.60" in from_the_factory and "# 8.61" in from_the_factory  # 8.59 itself was never catalogued
    assert no_version.code == 2 and "M.mm" in no_version.err
    assert "# 8.61" in up and up.index("# 8.61") < up.index("# 8.62") and "# 8.60" not in up
    assert "LOST" in down and "# 8.62" in down and "# 8.61" not in down


async def test_a_damaged_image_is_found_by_name(by: By, api: Api, registry: Registry, tmp_path: Path) -> None:
    """R4.1: what is catalogued is what adapters get."""
    ok(await by("root", "firmware", "import", "--release", str(written(tmp_path, "8.70"))))
    (blob,) = [
        api.context.blobs.path(opened.blob)
        for sha256 in api.context.blobs.stored()
        for opened in [api.context.blobs.open(sha256)]
        if opened.file.read().startswith(build("seil8", "8.70", (), b"x")[:60])
    ]
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")

    ended = await by("sato", "firmware", "verify", "--series", "seil8")

    assert ended.code == 1 and "seil8 8.70" in ended.err and "8.60" not in ended.err
    listed = await by("olga", "firmware", "ls", "--series", "seil8")
    assert "damaged" in ok(listed) and "hikitsugi firmware import): seil8 8.70" in listed.err
    row = (await by("olga", "firmware", "show", "seil8", "8.70", "--json")).json()
    assert not row["recommended"] and "now holds content" in row["damaged_why"]
    ok(await by("root", "firmware", "import", "--release", str(tmp_path / "8.70.toml")))
    assert "damaged" not in ok(await by("olga", "firmware", "ls", "--series", "seil8"))


async def test_a_withdrawal_is_shown_before_it_is_done_and_stays(by: By, tmp_path: Path) -> None:
    """R4.3: withdrawn with a reason, announced, and gone from every choice; it does not come back."""
    file = written(tmp_path, "8.80")
    ok(await by("root", "firmware", "import", "--release", str(file)))
    asked = ("firmware", "withdraw", "seil8", "8.80", "--reason", "It loses routes.")

    assert "would be" in ok(await by("root", *asked, "--dry-run"))
    assert (await by("olga", *asked, "--yes")).code == 2
    report = ok(await by("root", *asked, "--yes", "--lang", "ja"))
    again = await by("root", "firmware", "import", "--release", str(file))

    assert "サービス変更" in report and "It loses routes." in report
    assert "It loses routes." in ok(await by("olga", "firmware", "notice", "seil8", "8.80", "--lang", "en"))
    assert again.code == 2 and "R4.3" in again.err
    row = (await by("olga", "firmware", "show", "seil8", "8.80", "--json")).json()
    assert (row["state"], row["recommended"]) == ("withdrawn", False)
    assert (await by("olga", "firmware", "adapters", "seil8", "8.80", "--json")).json() == []


async def test_a_moment_without_zone_is_jst_in_the_file_and_on_the_command_line_and_is_echoed(
    by: By, tmp_path: Path
) -> None:
    """R4.1: the vendor's day is one of the Japanese calendar."""
    in_file = await by(
        "root", "firmware", "import", "--release", str(written(tmp_path, "8.90", released_at="2026-11-21T01:00:00"))
    )
    told = ("--released-at", "2026-11-21T01:00")
    on_line = await by("root", "firmware", "import", "--release", str(written(tmp_path, "8.91")), *told)

    for ended, version in ((in_file, "8.90"), (on_line, "8.91")):
        assert "2026-11-21 01:00" in ok(ended) and "JST" in ended.out
        row = (await by("olga", "firmware", "show", "seil8", version, "--json")).json()
        assert row["released_at"].startswith("2026-11-20T16:00:00")
