"""Credentials, jump hosts and offered host keys as people see them: over HTTP, and with the commands that use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from controller.domain.credential import of_public
from controller.ports import Collected, Failure
from controller.services import host_keys as service
from tests.cli.conftest import By, by

__all__ = ["by"]

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


@pytest.fixture
async def serial(placed) -> str:
    return placed[1]


async def ask(session, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with session.request(method, path, json=body) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None


async def test_a_credential_is_set_shown_without_its_secrets_and_withdrawn(client, serial) -> None:
    session = await client("root")
    path = f"adapters/{serial}/credential"
    key = asyncssh.generate_private_key("ssh-ed25519")
    body = {"username": "robot", "password": "pumpernickel", "private_key": key.export_private_key().decode()}

    assert await ask(session, "PUT", path + "?dry_run=true", body) == (200, {"rows": 1, "changed": 1, "dry_run": True})
    assert (await ask(session, "GET", path))[1]["source"] == "inventory"
    assert (await ask(session, "PUT", path, body))[1]["changed"] == 1
    status, shown = await ask(session, "GET", path)

    assert (status, shown["source"], shown["username"], shown["state"]) == (200, "adapter", "robot", "not-tried")
    assert (shown["has_password"], shown["key_fingerprint"]) == (True, key.get_fingerprint())
    assert "pumpernickel" not in str(shown)
    assert "PRIVATE" not in str(shown)
    assert await ask(session, "DELETE", path) == (200, {"earlier": False})
    assert (await ask(session, "DELETE", path))[0] == 404
    assert (await ask(session, "DELETE", path + "/earlier"))[0] == 404


async def test_what_is_wrong_is_named_and_the_secret_is_not_said_back(client, serial) -> None:
    session = await client("root")
    body = {"username": "robot", "password": "pumpernickel\u0007", "private_key": "pumpernickel"}

    status, problem = await ask(session, "PUT", f"adapters/{serial}/credential", body)

    assert status == 422
    assert {error["field"] for error in problem["errors"]} == {"password", "private_key"}
    assert "pumpernickel" not in str(problem)


async def test_operators_see_their_own_contracts_logins_and_set_none(client, serial) -> None:
    own, other = await client("olga"), await client("otto")

    assert (await ask(own, "GET", f"adapters/{serial}/credential"))[0] == 200
    assert (await ask(other, "GET", f"adapters/{serial}/credential"))[0] == 404
    listed = (await ask(other, "GET", "credentials?contract=C1&limit=1000"))[1]["items"]
    assert serial not in [row["serial"] for row in listed]
    assert (await ask(other, "GET", "contracts/C1/jump-host"))[0] == 404
    assert (await ask(own, "PUT", f"adapters/{serial}/credential", {"username": "a", "password": "b"}))[0] == 403


async def test_a_file_of_credentials_is_sent_with_a_command(by: By, serial, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(f"serial,username,password\r\n{serial},robot,pumpernickel\r\n")

    asked = await by("root", "credential", "import", str(file), "--dry-run", "--json")
    done = await by("root", "credential", "import", str(file), "--reason", "leaver")
    again = await by("root", "credential", "import", str(file), "--json")
    listed = await by("olga", "credential", "ls", "--state", "not-tried", "--json")

    assert json.loads(asked.out) == {"rows": 1, "changed": 1, "dry_run": True}
    assert (done.code, "1 of 1 changed" in done.out) == (0, True)
    assert json.loads(again.out)["changed"] == 0
    (row,) = [row for row in json.loads(listed.out) if row["serial"] == serial]
    assert (row["username"], row["reason"]) == ("robot", "leaver")


async def test_a_wrong_file_is_told_line_by_line(by: By, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("serial,password\r\nNOBODY,x\r\n")

    ended = await by("root", "credential", "import", str(file))

    assert ended.code == 2
    assert "No adapter NOBODY." in ended.err
    assert "2: serial" in ended.err


async def test_a_contracts_credential_is_set_counted_and_taken_back_with_commands(
    by: By, serial, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("pumpernickel\nrest\n")
    before = json.loads((await by("root", "credential", "counts", "--contract", "C1", "--json")).out)

    options = ("--contract", "C1", "--username", "robot", "--password-file", str(password))
    done = await by("root", "credential", "set", *options)
    counts = json.loads((await by("root", "credential", "counts", "--contract", "C1", "--json")).out)
    shown = await by("olga", "credential", "show", serial)
    forgotten = await by("root", "credential", "forget-earlier", "--contract", "C1")
    back = await by("root", "credential", "withdraw", "--contract", "C1", "--reason", "wrong one")

    assert (done.code, forgotten.code, back.code) == (0, 0, 0)
    assert (counts["inventory"], counts["not_tried"]) == (0, before["inventory"] + before["not_tried"])
    assert "robot" in shown.out
    assert "pumpernickel" not in shown.out
    assert "the inventory's login is used now" in back.out


async def test_a_command_says_whose_credential_is_missing_and_what_is_missing_of_it(by: By) -> None:
    nobody = await by("root", "credential", "withdraw")
    nothing = await by("root", "credential", "set", "--contract", "C1", "--username", "robot")

    assert (nobody.code, "--adapter or --contract" in nobody.err) == (2, True)
    assert (nothing.code, "--password-file" in nothing.err) == (2, True)


async def test_a_jump_host_is_set_shown_and_removed_with_commands(by: By, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("pumpernickel")
    options = ("--username", "gate", "--password-file", str(password), "--host-key", HOST_KEY)

    wrong = await by("root", "jump-host", "set", "C1", "--address", "gate.example", *options)
    done = await by("root", "jump-host", "set", "C1", "--address", "192.0.2.7", *options)
    shown = await by("olga", "jump-host", "show", "C1", "--json")
    gone = await by("root", "jump-host", "rm", "C1")

    assert (wrong.code, done.code, gone.code) == (2, 0, 0)
    row = json.loads(shown.out)
    assert (row["address"], row["port"], row["host_key"]) == ("192.0.2.7", 22, HOST_KEY)
    assert "pumpernickel" not in shown.out
    assert (await by("olga", "jump-host", "show", "C1")).code == 2


@pytest.fixture
async def offer(registry, serial, client) -> int:
    """A key that the adapter showed instead of another one."""
    session = await client("root")
    pinned = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    await ask(session, "PUT", f"adapters/{serial}/host-key", {"host_key": pinned})
    async with registry.db.connection() as connection:
        task = await connection.fetchval(
            """WITH p AS (INSERT INTO campaign (account, lines, created_at) VALUES ('root', '{x}', now()) RETURNING id)
               INSERT INTO task (campaign, code, contract, adapter, due_at)
               SELECT p.id, r.code, 'C1', r.adapter, now() FROM p, registration r WHERE r.adapter = $1 RETURNING id""",
            serial,
        )
    row = {"id": task, "serial": serial, "ssh_host_key": pinned}
    collected = Collected((), Failure.HOST_KEY_CHANGED, "", offered_host_key=HOST_KEY)
    await service.offered(registry.db, row, collected, registry.clock())
    async with registry.db.connection() as connection:
        found: int = await connection.fetchval("SELECT id FROM host_key_offer WHERE adapter = $1", serial)
    return found


async def test_an_offered_host_key_is_listed_with_its_fingerprint_and_accepted(
    by: By, client, serial, offer: int
) -> None:
    session, own, other = await client("root"), await client("olga"), await client("otto")

    (row,) = (await ask(own, "GET", f"host-keys?adapter={serial}&state=open"))[1]["items"]
    assert (row["id"], row["fingerprint"]) == (offer, of_public(HOST_KEY))
    assert (await ask(other, "GET", f"host-keys?adapter={serial}"))[1]["items"] == []
    assert (await ask(session, "POST", f"host-keys/{offer}/accept", {"reason": ""}))[0] == 422
    assert (await ask(own, "POST", f"host-keys/{offer}/accept", {"reason": "mine"}))[0] == 403

    done = await by("root", "host-key", "accept", str(offer), "--reason", "seen on its console")

    assert (done.code, serial in done.out) == (0, True)
    assert (await ask(session, "GET", f"adapters/{serial}"))[1]["ssh_host_key"] == HOST_KEY
    assert (await ask(session, "POST", f"host-keys/{offer}/refuse", {"reason": "late"}))[0] == 409


async def test_a_refused_host_key_changes_nothing_but_its_own_state(by: By, client, serial, offer: int) -> None:
    session = await client("root")
    before = (await ask(session, "GET", f"adapters/{serial}"))[1]["ssh_host_key"]

    done = await by("root", "host-key", "refuse", str(offer), "--reason", "nobody was there")
    listed = await by("sato", "host-key", "ls", "--adapter", serial, "--json")

    assert done.code == 0
    assert [(row["state"], row["decided_by"]) for row in json.loads(listed.out)] == [("refused", "root")]
    assert (await ask(session, "GET", f"adapters/{serial}"))[1]["ssh_host_key"] == before
