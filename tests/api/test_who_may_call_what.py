"""Every route × every role and nobody. The table is written by hand: a route that is not in it fails the test."""

from __future__ import annotations

import pytest

from controller.domain.access import Role
from controller.faces.api import ROUTES
from protocol.arms.http import basic
from tests.rows import HEADER, csv_row, distribution_id

A, O, S = Role.ADMINISTRATOR, Role.OPERATOR, Role.SUPPORT  # noqa: E741
EVERYBODY, STAFF_OF_THE_CUSTOMER, ONLY_A = {A, O, S}, {A, O}, {A}

TABLE: dict[str, set[Role]] = {
    "GET /whoami": EVERYBODY,
    "GET /contracts": EVERYBODY,
    "POST /contracts": ONLY_A,
    "GET /accounts": ONLY_A,
    "POST /accounts": ONLY_A,
    "PATCH /accounts/{account}": ONLY_A,
    "POST /accounts/{account}/keys": ONLY_A,
    "GET /keys": ONLY_A,
    "DELETE /keys/{key}": ONLY_A,
    "GET /audit": EVERYBODY,
    "GET /audit/export": EVERYBODY,
    "GET /audit/verify": ONLY_A,
    "GET /series": EVERYBODY,
    "GET /adapters": EVERYBODY,
    "GET /adapters/{serial}": EVERYBODY,
    "GET /adapters/{serial}/pulls": EVERYBODY,
    "GET /adapters/{serial}/stays": EVERYBODY,
    "PUT /adapters/{serial}/host-key": ONLY_A,
    "PUT /adapters/{serial}/lock": ONLY_A,
    "GET /adapters/{serial}/connection": EVERYBODY,
    "GET /adapters/{serial}/heartbeats": EVERYBODY,
    "GET /connection-events": EVERYBODY,
    "POST /adapters/{serial}/ping": EVERYBODY,
    "POST /adapters/{serial}/traceroute": EVERYBODY,
    "POST /adapters/{serial}/read-status": EVERYBODY,
    "POST /adapters/{serial}/read-module-list": EVERYBODY,
    "POST /adapters/{serial}/check-transaction": EVERYBODY,
    "POST /adapters/{serial}/dump-debug": EVERYBODY,
    "POST /adapters/{serial}/read-storage": EVERYBODY,
    "POST /adapters/{serial}/clear-status": EVERYBODY,
    "POST /adapters/{serial}/md-command": EVERYBODY,
    "POST /adapters/{serial}/pull-config": EVERYBODY,
    "POST /adapters/{serial}/reboot": EVERYBODY,
    "GET /operations": EVERYBODY,
    "GET /operations/{operation}": EVERYBODY,
    "GET /operations/{operation}/outputs/{position}": EVERYBODY,
    "POST /operations/{operation}/cancel": EVERYBODY,
    "GET /codes": EVERYBODY,
    "GET /codes/{code}": EVERYBODY,
    "PATCH /codes/{code}": STAFF_OF_THE_CUSTOMER,
    "GET /search": EVERYBODY,
    "GET /codes/{code}/holder": EVERYBODY,
    "GET /adapters/{serial}/life": EVERYBODY,
    "GET /exchanges/overdue-returns": EVERYBODY,
    "GET /exchanges/statistics": EVERYBODY,
    "GET /exchanges/statistics/export": EVERYBODY,
    "GET /exchanges/overdue-returns/export": EVERYBODY,
    "GET /codes/{code}/history": EVERYBODY,
    "GET /codes/{code}/pulls": EVERYBODY,
    "PUT /codes/{code}/firmware-target": STAFF_OF_THE_CUSTOMER,
    "GET /codes/{code}/firmware": EVERYBODY,
    "POST /codes/{code}/updates": STAFF_OF_THE_CUSTOMER,
    "GET /updates": EVERYBODY,
    "GET /updates/{update}": EVERYBODY,
    "POST /updates/{update}/cancel": STAFF_OF_THE_CUSTOMER,
    "PUT /codes/{code}/group": STAFF_OF_THE_CUSTOMER,
    "POST /codes/{code}/tags": STAFF_OF_THE_CUSTOMER,
    "PUT /codes/{code}/designated-standby": STAFF_OF_THE_CUSTOMER,
    "GET /codes/{code}/configs": STAFF_OF_THE_CUSTOMER,
    "GET /codes/{code}/configs/{module}/{stage}": STAFF_OF_THE_CUSTOMER,
    "PUT /codes/{code}/configs/{module}/working": STAFF_OF_THE_CUSTOMER,
    "POST /codes/{code}/configs/{module}/startup": STAFF_OF_THE_CUSTOMER,
    "POST /codes/{code}/pushes": STAFF_OF_THE_CUSTOMER,
    "GET /codes/{code}/diffs/{module}": STAFF_OF_THE_CUSTOMER,
    "PUT /codes/{code}/push-method": STAFF_OF_THE_CUSTOMER,
    "PUT /codes/{code}/warm": STAFF_OF_THE_CUSTOMER,
    "POST /codes/{entry}/swap": STAFF_OF_THE_CUSTOMER,
    "GET /exchanges": EVERYBODY,
    "GET /exchanges/{exchange}": EVERYBODY,
    "POST /exchanges": EVERYBODY,
    "POST /exchanges/{exchange}/advance": EVERYBODY,
    "GET /exchanges/{exchange}/evidence": EVERYBODY,
    "POST /bulk-exchanges": STAFF_OF_THE_CUSTOMER,
    "GET /bulk-exchanges": EVERYBODY,
    "GET /bulk-exchanges/{bulk}": EVERYBODY,
    "GET /bulk-exchanges/{bulk}/rows": EVERYBODY,
    "GET /bulk-exchanges/{bulk}/rows/export": EVERYBODY,
    "POST /bulk-exchanges/{bulk}/start": STAFF_OF_THE_CUSTOMER,
    "POST /bulk-exchanges/{bulk}/pause": STAFF_OF_THE_CUSTOMER,
    "POST /bulk-exchanges/{bulk}/resume": STAFF_OF_THE_CUSTOMER,
    "POST /bulk-exchanges/{bulk}/abort": STAFF_OF_THE_CUSTOMER,
    "GET /stock": {A, S},
    "GET /stock/counts": {A, S},
    "GET /stock/proposals": {A, S},
    "GET /stock/{serial}": {A, S},
    "GET /stock/{serial}/moves": {A, S},
    "POST /stock/{serial}/move": {A, S},
    "POST /campaigns": EVERYBODY,
    "POST /campaigns/preview": EVERYBODY,
    "GET /campaigns": EVERYBODY,
    "GET /campaigns/{campaign}": EVERYBODY,
    "PATCH /campaigns/{campaign}": EVERYBODY,
    "GET /campaigns/{campaign}/skips": EVERYBODY,
    "GET /campaigns/{campaign}/events": EVERYBODY,
    "GET /campaigns/{campaign}/summary": EVERYBODY,
    "POST /campaigns/{campaign}/pause": EVERYBODY,
    "POST /campaigns/{campaign}/resume": EVERYBODY,
    "POST /campaigns/{campaign}/abort": EVERYBODY,
    "GET /selections": EVERYBODY,
    "GET /selections/{name}": EVERYBODY,
    "PUT /selections/{name}": EVERYBODY,
    "DELETE /selections/{name}": EVERYBODY,
    "GET /tasks": EVERYBODY,
    "GET /tasks/{task}": EVERYBODY,
    "GET /tasks/{task}/compare": EVERYBODY,
    "GET /campaigns/{campaign}/odd": EVERYBODY,
    "PATCH /tasks/{task}": EVERYBODY,
    "POST /tasks/{task}/cancel": EVERYBODY,
    "GET /transcripts": EVERYBODY,
    "GET /transcripts/export": EVERYBODY,
    "GET /transcripts/{task}/{position}": EVERYBODY,
    "GET /shares": EVERYBODY,
    "POST /shares": EVERYBODY,
    "GET /shares/{token}": EVERYBODY,
    "DELETE /shares/{share}": EVERYBODY,
    "GET /shares/{share}/accesses": EVERYBODY,
    "POST /investigations": {A, S},
    "GET /investigations": EVERYBODY,
    "GET /investigations/{investigation}": EVERYBODY,
    "POST /investigations/{investigation}/adapters": {A, S},
    "POST /investigations/{investigation}/results": EVERYBODY,
    "POST /investigations/{investigation}/extension": {A, S},
    "POST /investigations/{investigation}/close": {A, S},
    "GET /presets": EVERYBODY,
    "GET /presets/{title}": EVERYBODY,
    "PUT /presets/{title}": EVERYBODY,
    "DELETE /presets/{title}": EVERYBODY,
    "PUT /contracts/{contract}/policy": ONLY_A,
    "PUT /contracts/{contract}/maintenance": ONLY_A,
    "POST /inventory/import": ONLY_A,
    "POST /inventory/import-with-progress": ONLY_A,
    "GET /inventory/export": STAFF_OF_THE_CUSTOMER,
    "GET /credentials": EVERYBODY,
    "GET /credentials/counts": EVERYBODY,
    "POST /credentials/import": ONLY_A,
    "GET /adapters/{serial}/credential": EVERYBODY,
    "PUT /adapters/{serial}/credential": ONLY_A,
    "DELETE /adapters/{serial}/credential": ONLY_A,
    "DELETE /adapters/{serial}/credential/earlier": ONLY_A,
    "PUT /contracts/{contract}/credential": ONLY_A,
    "DELETE /contracts/{contract}/credential": ONLY_A,
    "DELETE /contracts/{contract}/credential/earlier": ONLY_A,
    "GET /contracts/{contract}/jump-host": EVERYBODY,
    "PUT /contracts/{contract}/jump-host": ONLY_A,
    "DELETE /contracts/{contract}/jump-host": ONLY_A,
    "GET /host-keys": EVERYBODY,
    "POST /host-keys/{offer}/accept": ONLY_A,
    "POST /host-keys/{offer}/refuse": ONLY_A,
    "GET /firmware": EVERYBODY,
    "GET /subscriptions": STAFF_OF_THE_CUSTOMER,
    "POST /subscriptions": STAFF_OF_THE_CUSTOMER,
    "GET /subscriptions/{subscription}": STAFF_OF_THE_CUSTOMER,
    "PATCH /subscriptions/{subscription}": STAFF_OF_THE_CUSTOMER,
    "DELETE /subscriptions/{subscription}": STAFF_OF_THE_CUSTOMER,
    "POST /subscriptions/{subscription}/test": STAFF_OF_THE_CUSTOMER,
    "GET /deliveries": STAFF_OF_THE_CUSTOMER,
    "GET /deliveries/{delivery}": STAFF_OF_THE_CUSTOMER,
    "POST /deliveries/{delivery}/replay": STAFF_OF_THE_CUSTOMER,
    "POST /firmware": ONLY_A,
    "GET /firmware/missed": EVERYBODY,
    "GET /firmware/downloads": EVERYBODY,
    "GET /firmware/{series}/notes": EVERYBODY,
    "GET /firmware/{series}/{version}": EVERYBODY,
    "PUT /firmware/{series}/{version}/notes": ONLY_A,
    "PUT /firmware/{series}/{version}/missed": ONLY_A,
    "GET /firmware/{series}/{version}/verification": {A, S},
    "POST /firmware/{series}/{version}/withdraw": ONLY_A,
    "GET /firmware/{series}/{version}/notice": EVERYBODY,
    "GET /firmware/{series}/{version}/adapters": EVERYBODY,
    "GET /firmware/trust": EVERYBODY,
    "POST /firmware/trust": ONLY_A,
    "POST /firmware/trust/online-keys": ONLY_A,
    "POST /firmware/metadata": ONLY_A,
    "GET /firmware/metadata/{file}": EVERYBODY,
    "GET /firmware/unsigned": EVERYBODY,
    "POST /rollouts": STAFF_OF_THE_CUSTOMER,
    "GET /rollouts": EVERYBODY,
    "GET /rollouts/{rollout}": EVERYBODY,
    "GET /rollouts/{rollout}/items": EVERYBODY,
    "POST /rollouts/{rollout}/start": STAFF_OF_THE_CUSTOMER,
    "POST /rollouts/{rollout}/approve": STAFF_OF_THE_CUSTOMER,
    "POST /rollouts/{rollout}/pause": STAFF_OF_THE_CUSTOMER,
    "POST /rollouts/{rollout}/resume": STAFF_OF_THE_CUSTOMER,
    "POST /rollouts/{rollout}/abort": STAFF_OF_THE_CUSTOMER,
    "GET /calendar": EVERYBODY,
    "GET /calendar/delivery": EVERYBODY,
    "GET /calendar/hours": EVERYBODY,
    "GET /calendar/holidays": EVERYBODY,
    "PUT /calendar/holidays/{day}": ONLY_A,
    "DELETE /calendar/holidays/{day}": ONLY_A,
}
FOR_THE_WORLD = {"GET /shares/{token}"}
"""Whoever has the link: nobody has to be known."""
ACCOUNTS = {A: "root", O: "olga", S: "sato"}


def path_of(template: str) -> str:
    for name in ("account", "key", "day", "serial", "code", "entry", "name", "token", "series", "version"):
        template = template.replace("{" + name + "}", "nothing")
    return (
        template.replace("{stage}", "startup")
        .replace("{module}", "0")
        .replace("{exchange}", "0")
        .replace("{bulk}", "0")
        .replace("{rollout}", "0")
        .replace("{update}", "0")
        .replace("{file}", "nothing")
        .replace("{campaign}", "0")
        .replace("{task}", "0")
        .replace("{share}", "0")
        .replace("{subscription}", "0")
        .replace("{delivery}", "0")
        .replace("{operation}", "0")
        .replace("{offer}", "0")
        .replace("{investigation}", "0")
        .replace("{title}", "nothing")
        .replace("{contract}", "nothing")
        .replace("{position}", "0")
        .lstrip("/")
    )


def test_the_table_names_every_route_and_no_other() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES} == set(TABLE)


@pytest.mark.parametrize("route", TABLE)
async def test_only_the_roles_of_the_table_get_past_the_door(route: str, client) -> None:
    method, template = route.split()

    for role, account in ACCOUNTS.items():
        async with (await client(account)).request(method, path_of(template)) as answer:
            if role in TABLE[route]:
                assert answer.status not in (401, 403), f"{role} is turned away"
            else:
                assert answer.status == 403, f"{role} gets in"
                assert "roles" in (await answer.json())["detail"]


@pytest.mark.parametrize("route", sorted(set(TABLE) - FOR_THE_WORLD))
async def test_nobody_gets_past_the_door(route: str, client) -> None:
    method, template = route.split()
    session = await client(None)

    async with session.request(method, path_of(template)) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", sorted(set(TABLE) - FOR_THE_WORLD))
async def test_an_adapters_own_keys_open_no_route_of_the_api(route: str, client, registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    method, template = route.split()
    device = basic(distribution_id(number), f"ls-{number}")
    session = await client(None)

    for header in (device, f"Bearer {distribution_id(number)}.ls-{number}"):
        async with session.request(method, path_of(template), headers={"Authorization": header}) as answer:
            assert answer.status == 401


async def test_a_revoked_key_opens_nothing_at_once(client, api) -> None:
    root = await client("root")
    async with root.post("accounts/otto/keys", json={}) as answer:
        key = (await answer.json())["key"]
    headers = {"Authorization": f"Bearer {key}"}
    async with (await client(None)).get("whoami", headers=headers) as answer:
        assert answer.status == 200

    async with root.delete(f"keys/{key.split('.')[0]}") as answer:
        assert answer.status == 204

    async with (await client(None)).get("whoami", headers=headers) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "codes/{code}"),
        ("GET", "codes/{code}/holder"),
        ("GET", "codes/{code}/history"),
        ("GET", "codes/{code}/pulls"),
        ("GET", "codes/{code}/configs"),
        ("GET", "codes/{code}/configs/0/startup"),
        ("POST", "codes/{code}/configs/0/startup"),
        ("GET", "adapters/{serial}"),
        ("GET", "adapters/{serial}/pulls"),
        ("GET", "adapters/{serial}/stays"),
        ("GET", "adapters/{serial}/life"),
        ("GET", "adapters/{serial}/connection"),
        ("GET", "adapters/{serial}/heartbeats"),
        ("GET", "codes/{code}/diffs/0"),
        ("GET", "codes/{code}/firmware"),
    ],
)
async def test_what_is_another_contracts_does_not_exist(method: str, path: str, client, registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, config="hostname: secret\n"))
    path = path.format(code=f"E{number}", serial=f"SER{number:05d}")

    async with (await client("otto")).request(method, path) as answer:
        assert answer.status == 404
    async with (await client("olga")).request(method, path) as answer:
        assert answer.status in (200, 404 if "startup" in path and method == "POST" else 200)


async def test_lists_show_an_operator_only_the_own_contract(client, registry, numbers) -> None:
    mine, other = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{mine}", mine) + csv_row(f"E{other}", other, contract="C2"))
    session = await client("otto")

    for path, field in (("codes", "code"), ("adapters", "code")):
        async with session.get(path, params={"limit": 1000}) as answer:
            listed = {item[field] for item in (await answer.json())["items"]}
        assert f"E{other}" in listed and f"E{mine}" not in listed
        async with session.get(path, params={"contract": "C1"}) as answer:
            assert (await answer.json())["items"] == []
    async with session.get("inventory/export", params={"format": "json"}) as answer:
        assert {row["contract"] for row in await answer.json(content_type=None)} == {"C2"}


async def test_an_operators_walk_through_pulls_meets_all_of_the_own_contract_and_none_of_the_stock(
    client, registry, numbers
) -> None:
    """Pulls from stock lie between the others; a page of them must not look like the end."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    for code in (f"E{number}", None, None, None, f"E{number}", None):
        async with registry.db.connection() as connection:
            await connection.execute(
                "INSERT INTO pull (at, adapter, code, message, source, result)"
                " VALUES ($1, $2, $3, 'rs-solicitation', '127.0.0.1', 404)",
                *(registry.clock(), f"SER{number:05d}", code),
            )

    seen, after = [], None
    while True:
        query = {"limit": 1} | ({"after": after} if after else {})
        async with (await client("olga")).get(f"adapters/SER{number:05d}/pulls", params=query) as answer:
            page = await answer.json()
        seen += [item["code"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break

    assert seen == [f"E{number}"] * 2
