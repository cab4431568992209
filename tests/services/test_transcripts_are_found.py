"""Searching transcripts: by where, when, text and typed field; only what one may read; in bounded steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.errors import Invalid
from controller.services import transcript_search
from controller.services.transcript_search import search
from controller.store import audit
from controller.store.transcripts import Wanted
from tests.services import outputs

SYSTEM = """SEIL/X4 Ver. 3.42 (CodeName)\r
\r
Arch    : SEIL/X4 Rev. A\r
CPU     : x (1) Rev. 2\r
Vendor  : OEM\r
Serial  : SER\r
\r
Host    : "branch-a"\r
Bootinfo: rebooting by software reset\r
Bootdev : flash\r
\r
Date    : 2026/11/22 06:30:00 (JST)\r
Up      : 36 minutes  (since 2026/11/22 05:54:25)\r
\r
Users   : 0 users\r
Loadavg : 0.00 (1min), 0.01 (5min), 0.00 (15min)\r
CPUstat : Used 0%, Interrupts 0%\r
Memory  : Total 1024MB, Used 100MB (9%), Avail 924MB (90%)\r
"""


async def found(registry, code: str, caller=None, **more):
    wanted = replace(Wanted(code=code), **more.pop("wanted", {}))
    looked = await search(registry.db, wanted, caller=caller or registry.operator, now=registry.clock(), **more)
    return [(one.row["task"], one.row["line"]) for one in looked.found]


async def test_transcripts_are_found_newest_first_by_text_in_any_case(registry, code) -> None:
    first = await outputs.ran(registry, code, {"show log": b"link DOWN lan1\r\n", "show version": b"3.42\r\n"})
    second = await outputs.ran(registry, code, {"show log": b"link down ge0\r\n"})

    assert await found(registry, code, text="Link down") == [(second, "show log"), (first, "show log")]
    assert await found(registry, code, text="link down ge") == [(second, "show log")]
    assert await found(registry, code, text="nothing of it") == []
    assert len(await found(registry, code)) == 3


async def test_an_excerpt_shows_what_is_around_the_text(registry, code) -> None:
    await outputs.ran(registry, code, {"show log": b"a" * 500 + b" link down " + b"\xffb" * 500})

    looked = await search(
        registry.db, Wanted(code=code), text="link down", caller=registry.operator, now=registry.clock()
    )

    excerpt = looked.found[0].excerpt
    assert "link down" in excerpt and len(excerpt) < 200


async def test_transcripts_are_found_by_adapter_command_and_time(registry, code) -> None:
    before = registry.clock()
    task = await outputs.ran(registry, code, {"show log": b"one\r\n"})
    later = registry.clock() + timedelta(seconds=1)
    other = await outputs.ran(registry, code, {"show log": b"two\r\n"})
    adapter = f"SER{int(code[1:]):05d}"

    assert await found(registry, code, wanted={"until": later, "since": before}) == [(task, "show log")]
    assert await found(registry, code, wanted={"since": later}) == [(other, "show log")]
    assert len(await found(registry, code, wanted={"adapter": adapter, "command": "show log"})) == 2
    assert await found(registry, code, wanted={"command": "show version"}) == []
    assert await found(registry, code, wanted={"task": task}) == [(task, "show log")]


async def test_transcripts_are_found_by_a_field_that_a_parser_read(registry, code) -> None:
    task = await outputs.ran(registry, code, {"show system": SYSTEM.encode(), "show log": b"no fields\r\n"})
    await outputs.ran(registry, code, {"show system": SYSTEM.replace("3.42", "3.40").encode()})

    assert await found(registry, code, field="firmware=3.42") == [(task, "show system")]
    assert await found(registry, code, field="firmware=9.99") == []


@pytest.mark.parametrize("field", ["firmware", "=3", "a b=3", "a..b=3", "a.=3", "a" * 80 + "=1"])
async def test_a_field_that_makes_no_sense_is_refused(registry, code, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await found(registry, code, field=field)

    assert refused.value.faults


async def test_a_search_goes_on_where_it_stopped_and_meets_everything_once(registry, code, monkeypatch) -> None:
    tasks = [await outputs.ran(registry, code, {"show log": f"line {n}\r\n".encode()}) for n in range(7)]
    monkeypatch.setattr(transcript_search, "_BATCH", 2)
    monkeypatch.setattr(transcript_search, "MOST_LOOKED_AT", 4)

    seen, after, requests = [], None, 0
    while True:
        looked = await search(
            *(registry.db, Wanted(code=code)),
            text="line",
            after=after,
            limit=3,
            caller=registry.operator,
            now=registry.clock(),
        )
        seen += [one.row["task"] for one in looked.found]
        requests += 1
        after = looked.after
        if after is None:
            break

    assert seen == tasks[::-1]
    assert requests > 2


async def test_a_step_that_finds_nothing_says_that_there_is_more(registry, code, monkeypatch) -> None:
    task = await outputs.ran(registry, code, {"show log": b"the needle\r\n"})
    for n in range(4):
        await outputs.ran(registry, code, {"show log": f"hay {n}\r\n".encode()})
    monkeypatch.setattr(transcript_search, "_BATCH", 2)
    monkeypatch.setattr(transcript_search, "MOST_LOOKED_AT", 2)
    wanted = Wanted(code=code)

    first = await search(registry.db, wanted, text="needle", caller=registry.operator, now=registry.clock())
    second = await search(
        registry.db, wanted, text="needle", after=first.after, caller=registry.operator, now=registry.clock()
    )
    third = await search(
        registry.db, wanted, text="needle", after=second.after, caller=registry.operator, now=registry.clock()
    )

    assert first.found == second.found == [] and first.after and second.after
    assert [one.row["task"] for one in third.found] == [task]


async def test_support_staff_find_only_what_they_may_read(registry, code) -> None:
    await outputs.ran(registry, code, {"show log": b"the operator's\r\n"})
    own = await outputs.campaign(registry, caller=registry.support)
    task = await outputs.ran(registry, code, {"show log": b"their own\r\n"}, in_campaign=own)

    assert await found(registry, code, registry.support) == [(task, "show log")]
    assert len(await found(registry, code, registry.administrator)) == 2


async def test_a_search_that_shows_output_is_recorded_and_one_by_time_is_not(registry, code) -> None:
    await outputs.ran(registry, code, {"show log": b"link down\r\n"})
    await found(registry, code)
    before = await audit.page(registry.db, before=None, limit=1, action="transcript.read", subject="search")
    await found(registry, code, text='link passphrase "hunter2hunter2"')
    await found(registry, code, text="link down")

    (row,) = await audit.page(registry.db, before=None, limit=1, action="transcript.read", subject="search")

    assert [row["id"]] != [one["id"] for one in before]
    assert (row["account"], row["contract"]) == ("olga", "C1")
    assert row["detail"] == {"how": "search", "text": "link down", "field": "", "found": 1}
