"""Compare and odd ones out as programs ask for them; who has read what is on record."""

from __future__ import annotations

import pytest

from tests.rows import HEADER, csv_row
from tests.services.outputs import campaign, ran

LINE = "show status interface"


def port(state: str, n: int = 1) -> bytes:
    return f"ge0: {state} 1000baseT-FDX 192.0.2.{n}/24 (dhcp) mtu 1500 in {n} out 9 err 0\r\n".encode()


@pytest.fixture
async def codes(registry, numbers) -> list[str]:
    wanted = [numbers() for _ in range(4)]
    await registry.load(HEADER + "".join(csv_row(f"E{number}", number) for number in wanted))
    return [f"E{number}" for number in wanted]


async def got(session, path: str, **query):
    async with session.get(path, params=query) as answer:
        return answer.status, await answer.json()


async def test_a_line_is_compared_with_the_run_before(registry, client, codes) -> None:
    before = await ran(registry, codes[0], {"show version": b"SEIL/X4 Ver. 3.42\r\n", LINE: port("up")})
    after = await ran(registry, codes[0], {"show version": b"SEIL/X4 Ver. 3.42\r\n", LINE: port("down")})

    status, found = await got(await client("olga"), f"tasks/{after}/compare", command=LINE)

    assert (status, found["before"]["task"], found["after"]["task"], found["position"]) == (200, before, after, 2)
    assert "\n-ge0: up " in found["diff"] and "\n+ge0: down " in found["diff"]
    assert [(c["path"], c["kind"]) for c in found["changes"]] == [("[ge0].link", "changed")]


async def test_it_may_be_a_peer_by_its_task_or_most_of_the_campaign(registry, client, codes) -> None:
    number = await campaign(registry)
    tasks = [
        await ran(registry, code, {LINE: port("down" if n == 2 else "up", n)}, in_campaign=number)
        for n, code in enumerate(codes)
    ]
    session = await client("olga")

    _, peer = await got(session, f"tasks/{tasks[0]}/compare", against=str(tasks[1]))
    _, most = await got(session, f"tasks/{tasks[2]}/compare", against="majority")

    assert (peer["before"]["task"], peer["diff"], peer["changes"]) == (tasks[1], "", [])
    assert (most["before"]["alike"], most["before"]["printed"]) == (3, 4) and most["diff"]


@pytest.mark.parametrize("against", ["yesterday", "-1", str(2**63), ""])
async def test_what_nothing_can_be_compared_with_is_a_wrong_request(registry, client, codes, against: str) -> None:
    task = await ran(registry, codes[0], {LINE: port("up")})

    status, wrong = await got(await client("olga"), f"tasks/{task}/compare", against=against)
    assert {error["field"] for error in wrong["errors"]} == {"against"}

    assert status == 422


async def test_support_staff_without_an_investigation_are_refused_by_rule(registry, client, codes) -> None:
    task = await ran(registry, codes[0], {LINE: port("up")})

    status, problem = await got(await client("sato"), f"tasks/{task}/compare")

    assert status == 403 and "R2.2" in problem["detail"]


async def test_odd_ones_are_listed_with_what_most_printed(registry, client, codes) -> None:
    number = await campaign(registry)
    for n, code in enumerate(codes):
        await ran(registry, code, {LINE: port("down" if n == 1 else "up", n)}, in_campaign=number)

    status, found = await got(await client("olga"), f"campaigns/{number}/odd", command=LINE)

    assert status == 200
    assert [(one["code"], one["share"], one["changed"]) for one in found["odd"]] == [(codes[1], 0.75, ["[ge0].link"])]
    assert [(one["printed"], one["alike"]) for one in found["spreads"]] == [(4, 3)]
    assert (await got(await client("otto"), f"campaigns/{number}/odd"))[0] == 404


async def test_both_outputs_count_as_read(registry, client, codes) -> None:
    tasks = [await ran(registry, codes[0], {LINE: port("up", n)}) for n in range(2)]
    await got(await client("olga"), f"tasks/{tasks[1]}/compare")

    for task in tasks:
        async with registry.db.connection() as connection:
            rows = await connection.fetch(
                "SELECT account, detail FROM audit WHERE action = 'transcript.read' AND subject = $1", f"task {task}"
            )
        assert [(row["account"], row["detail"]["how"]) for row in rows] == [("olga", "compare")]


async def test_an_output_that_its_parser_cannot_read_is_shown_and_flagged(registry, client, codes) -> None:
    bodies = {LINE: port("up"), "show version": b"what is this\r\n", "show status arp": b"\xff\xfe"}
    task = await ran(registry, codes[0], bodies)

    _, found = await got(await client("olga"), f"tasks/{task}")

    told = {one["line"]: one for one in found["transcripts"]}
    assert told[LINE]["fields"][0]["link"] == "up" and told[LINE]["unparsable"] == ""
    assert (told["show version"]["fields"], told["show version"]["text"]) == (None, "what is this\r\n")
    assert "what is this" in told["show version"]["unparsable"]
    assert told["show status arp"]["base64"] and told["show status arp"]["unparsable"]
