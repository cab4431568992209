"""Who may call what is decided before anything of the body is read."""

import asyncio

import aiohttp
import pytest

from controller.faces.http import PUBLIC
from tests.faces.example_api import KEYS, ROUTES, SECRET, Example


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer op",
        "Bearer op.",
        f"Bearer .{SECRET}",
        "Bearer op.wrong",
        f"Bearer nobody.{SECRET}",
        f"Basic op.{SECRET}",
        "Bearer op.ひみつ",
    ],
)
async def test_nobody_we_know_gets_401_and_how_to_do_it(http: aiohttp.ClientSession, authorization: str | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await http.delete("shops/kyoto", headers=headers)
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer <id>.<secret>" in problem["next_step"]


async def test_the_wrong_role_gets_403_that_names_the_right_ones(http: aiohttp.ClientSession, operator: dict):
    answer = await http.delete("shops/kyoto", headers=operator)
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"]) == (403, "forbidden")
    assert problem["detail"] == "This needs one of the roles administrator, support; your key has the role operator."


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("key", [None, *KEYS])
async def test_every_route_lets_in_its_roles_and_nobody_else(
    http: aiohttp.ClientSession, example: Example, route, key: str | None
):
    example.till.gate.set()
    path = route.path.replace("{shop}", "kyoto").replace("{kind}", "milk").removeprefix("/")
    headers = {"Authorization": f"Bearer {key}.{SECRET}"} if key else {}
    answer = await http.request(route.method, path, headers=headers)

    if route.roles is PUBLIC or (key and KEYS[key].role in route.roles):
        assert answer.status not in (401, 403)
    else:
        assert answer.status == (403 if key else 401)


async def test_strangers_are_turned_away_before_their_body_is_read(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /api/v1/shops/kyoto/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n"
    )  # and not one byte of the body
    status_line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert b" 401 " in status_line
