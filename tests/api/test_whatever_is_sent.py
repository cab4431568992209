"""Schemathesis sends what the API document allows and what it forbids to every route: no answer is a bug of ours."""

from __future__ import annotations

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.rows import HEADER, csv_row

QUIET = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


def send_everything(base: str, key: str) -> int:
    """Blocks. Returns how many operations were tried; fails on an answer of 500 and up."""
    schema = schemathesis.openapi.from_url(f"{base}openapi.json")
    headers, tried = {"Authorization": f"Bearer {key}"}, 0
    for operation in (found.ok() for found in schema.get_all_operations()):
        sends_something = bool(operation.body or list(operation.iter_parameters()))
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 1 + sends_something]:

            @settings(max_examples=6, **QUIET)
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: schemathesis.Case) -> None:
                answer = case.call(headers=headers, timeout=20)
                assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"

            send()
        tried += 1
    return tried


@pytest.mark.timeout(400)  # half a minute alone; every route more makes it longer, and so does a busy machine
async def test_no_request_of_any_form_is_answered_by_an_internal_error(api, registry, numbers) -> None:
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a, config="hostname: a\n") + csv_row(f"S{b}", b, kind="standby"))

    assert await asyncio.to_thread(send_everything, api.base, api.keys["root"]) >= 40
