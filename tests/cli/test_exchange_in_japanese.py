"""A Japanese terminal reads kinds, states, events and actors in Japanese; what is typed, and JSON, stay English."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from controller.domain.bulk_exchange import RowState
from controller.domain.bulk_exchange import State as BulkState
from controller.domain.exchange import Actor, Event, Kind, State
from controller.domain.stock import Stock
from controller.terms import word
from tests.api.conftest import Api
from tests.cli.conftest import FAULT, REPORTED, By
from tests.cli.test_cli_start import started

Japanese = Callable[..., Awaitable[str]]


@pytest.fixture
def japanese(api: Api, tmp_path: Path) -> Japanese:
    """`await japanese("sato", "exchange", "list")`: what it prints, in a process of its own."""

    async def call(account: str, *arguments: str) -> str:
        key = tmp_path / f"{account}-ja.key"
        key.write_text(api.keys[account] + "\n")
        there = ("--url", api.base.removesuffix("/api/v1/"), "--key-file", str(key))
        ended = await asyncio.to_thread(started, *arguments, *there, LANG="ja_JP.UTF-8")
        assert not ended.stderr, ended.stderr
        return ended.stdout

    return call


async def test_a_case_is_told_in_japanese_with_the_words_to_type(by: By, japanese: Japanese, placed, spare) -> None:
    """R3.3-R3.9."""
    opened = await by("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, "--json")
    number = str(opened.json()["exchange"])

    said = await japanese("sato", "exchange", "advance", number, "recognise")
    await by("sato", "exchange", "advance", number, "dispatch", "--adapter", spare, "--address", "Tokyo")
    listed = await japanese("sato", "exchange", "list", "--code", placed[0])
    shown = await japanese("sato", "exchange", "show", number)

    assert f"交換 {number} は「故障認定」" in said or "故障認定" in said.splitlines()[0]
    assert "センドバック交換" in listed and "代替機発送済み" in listed and "コントローラ(自動)" in listed
    assert "センドバック交換 (send-back)" in shown and "代替機発送済み (dispatched)" in shown
    assert "代替機発送 (dispatch)" in shown and "故障認定 (recognise)" in shown
    assert f"hikitsugi exchange advance {number} withdraw --reason" in shown and "# 取り下げ" in shown
    assert f"{placed[0]} に登録中" in shown
    assert not english_words(listed) and not english_words(journal(shown))


def journal(shown: str) -> str:
    """The table of what happened, without the words to type."""
    return re.sub(r" \([a-z-]+\)", "", shown[shown.index("代替機発送 (dispatch)") :])


def english_words(text: str) -> set[str]:
    words = {str(each) for family in (Kind, State, Event, Actor, Stock) for each in family}
    return {each for each in words if re.search(rf"(?<![\w-]){each}(?![\w-])", text)}


async def test_units_are_told_in_japanese(by: By, japanese: Japanese, spare) -> None:
    moved = await japanese("sato", "stock", "move", spare, "retired", "--note", "廃棄")
    shown = await japanese("sato", "stock", "show", spare)

    assert "除却済み" in moved and "除却済み" in shown and "在庫" in shown
    assert not english_words(shown)


async def test_bulk_exchanges_are_told_in_japanese(japanese: Japanese, by: By, placed, standby, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(f"entry,standby\n{placed[0]},{standby}\n")

    planned = await japanese("olga", "exchange", "bulk", "plan", str(file))
    number = re.findall(r"bulk start (\d+)", planned)[0]
    shown = await japanese("olga", "exchange", "bulk", "show", number)

    assert "待機中" in planned and "waiting" not in planned
    assert "計画済み" in shown and "planned" not in shown


async def test_json_is_the_same_in_every_language(by: By, japanese: Japanese, placed) -> None:
    opened = await by("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, "--json")
    number = str(opened.json()["exchange"])

    document = await japanese("sato", "exchange", "show", number, "--json")

    assert '"kind": "send-back"' in document and '"state": "reported"' in document and '"who": "desk"' in document


@pytest.mark.parametrize("family", [Kind, State, Event, Actor, Stock, BulkState, RowState], ids=str)
def test_every_word_has_a_japanese_one_and_english_readers_get_it_as_it_is(family) -> None:
    assert [word(family, each.value, "en") for each in family] == [each.value for each in family]
    said = [word(family, each.value, "ja") for each in family]
    assert not any(each.isascii() for each in said) and len(set(said)) == len(said)
    assert word(family, "never heard of", "ja") == "never heard of"
