"""The words of exchanges, stock and bulk exchanges as people read them: one table for mail, answers and the terminal.

English readers get the words of the API, which are plain English; Japanese readers get Japanese ones. What a person
types (an event) keeps its English word in brackets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controller.domain import bulk_exchange as bulk
from controller.domain import firmware_rollout as rollout
from controller.domain import firmware_update as update
from controller.domain.evidence import Evidence
from controller.domain.exchange import Actor, Event, Kind, State
from controller.domain.reception import Channel
from controller.domain.stock import ON_CODE, Stock


@dataclass(frozen=True, slots=True)
class Phrase:
    """word: Japanese, short, for tables. japanese, english: as mail and sentences say it."""

    word: str
    japanese: str
    english: str


KINDS = {
    Kind.SWAP: Phrase("エントリ/スタンバイ交換", "エントリ/スタンバイ交換", "Entry/standby exchange"),
    Kind.SEND_BACK: Phrase("センドバック交換", "センドバック交換", "Send-back exchange"),
    Kind.ON_SITE: Phrase("駆けつけ交換", "駆けつけ交換", "On-site exchange"),
    Kind.RETURN: Phrase("故障機の返送", "故障機の返送", "Return of a faulty adapter"),
}

STATES = {
    State.PRE_FLIGHT: Phrase("事前収集中", "交換前の証跡を収集しています", "evidence is collected before the exchange"),
    State.ORDERED: Phrase("登録交換済み", "登録を入れ替えました", "the registrations were exchanged"),
    State.PULLED: Phrase(
        "コンフィグ取得済み", "新しいアダプタがコンフィグを取得しました", "the new adapter has fetched its config"
    ),
    State.CONFIRMED: Phrase("交換完了", "交換が完了しました", "the exchange is confirmed"),
    State.LAPSED: Phrase(
        "期限切れ", "新しいアダプタが期限までに接続していません", "the new adapter was not seen in time"
    ),
    State.SUPERSEDED: Phrase("置き換え済み", "別の交換に置き換えられました", "another exchange took its place"),
    State.REPORTED: Phrase("申告受付", "故障の申告を受け付けました", "a fault was reported"),
    State.REQUESTED: Phrase("駆けつけ依頼受付", "駆けつけの依頼を受け付けました", "an on-site exchange was requested"),
    State.RECOGNISED: Phrase("故障認定", "故障と認定しました", "the fault was recognised"),
    State.DECLINED: Phrase("対象外", "保守の対象外としました", "the case was declined"),
    State.WITHDRAWN: Phrase("取り下げ済み", "取り下げられました", "the case was withdrawn"),
    State.DISPATCHED: Phrase("代替機発送済み", "代替機を発送しました", "a replacement was dispatched"),
    State.DRIVER_ASSIGNED: Phrase("作業員手配済み", "作業員を手配しました", "a driver was assigned"),
    State.REGISTRATION_CHANGED: Phrase(
        "登録変更済み", "登録を代替機に変更しました", "the registration was changed to the replacement"
    ),
    State.DELIVERED: Phrase("代替機到着", "代替機が到着しました", "the replacement has arrived"),
    State.BOOT_CONFIRMED: Phrase(
        "正常起動確認済み", "代替機の正常起動を確認しました", "the replacement booted normally"
    ),
    State.OVERDUE: Phrase(
        "返送期限超過", "故障機が返送期限を過ぎています", "the return of the faulty adapter is overdue"
    ),
    State.RETURNED: Phrase("返送済み", "故障機が返送されました", "the faulty adapter was returned"),
    State.COLLECTED: Phrase("回収済み", "故障機を回収しました", "the faulty adapter was collected"),
    State.WAITING: Phrase("故障機到着待ち", "故障機の到着を待っています", "the faulty adapter is awaited"),
    State.RECEIVED: Phrase("故障機受領済み", "故障機を受領しました", "the faulty adapter was received"),
    State.REGISTERED: Phrase("代替機登録済み", "代替機を登録しました", "the replacement was registered"),
    State.CLOSED: Phrase("終了", "終了しました", "the case was closed"),
}

ACTORS = {
    Actor.OPERATOR: Phrase("運用管理担当者", "運用管理担当者", "the operator"),
    Actor.DESK: Phrase("お客様窓口", "お客様窓口", "the desk"),
    Actor.ADAPTER: Phrase("アダプタ", "アダプタ", "the adapter"),
    Actor.CLOCK: Phrase("コントローラ(自動)", "コントローラ(自動)", "the controller"),
}

REMINDERS = {
    "return-in-7-days": Phrase(
        "返送期限 7 日前", "返送期限まで 7 日です", "7 days are left to return the faulty adapter"
    ),
    "return-in-1-day": Phrase("返送期限前日", "返送期限は明日です", "1 day is left to return the faulty adapter"),
}
"""R3.9. The others are late-STATE: see `reminder`."""

EVENTS = {
    Event.ORDER: "注文",
    Event.CONFIG_SERVED: "コンフィグ配布",
    Event.CAME_BACK: "適用後の再接続",
    Event.DEADLINE_PASSED: "期限経過",
    Event.REPLACED: "置き換え",
    Event.RECOGNISE: "故障認定",
    Event.DECLINE: "対象外",
    Event.WITHDRAW: "取り下げ",
    Event.DISPATCH: "代替機発送",
    Event.ASSIGN_DRIVER: "作業員手配",
    Event.CHANGE_REGISTRATION: "登録変更",
    Event.DELIVER: "代替機到着",
    Event.CONFIRM_BOOT: "正常起動確認",
    Event.COLLECT: "故障機回収",
    Event.RECEIVE: "故障機受領",
    Event.WRITE_OFF: "除却",
    Event.CLOSE: "終了",
}

_EXCHANGE: tuple[Mapping[Any, Phrase], ...] = (KINDS, STATES, ACTORS)
_OTHERS: Mapping[type[StrEnum], Mapping[str, str]] = {
    update.State: {
        "scheduled": "予約済み",
        "ordered": "指示済み",
        "downloading": "ダウンロード中",
        "flashing": "書き込み中",
        "checking": "接続確認中",
        "good": "成功",
        "failed": "失敗",
        "cancelled": "取り消し済み",
    },
    update.Event: {
        "order": "指示の受付",
        "begin": "更新の開始",
        "close-window": "時間帯の終了",
        "give-way": "ほかの更新を優先",
        "fetched": "ダウンロード開始",
        "sent": "送信完了",
        "stepped": "途中のバージョンへ更新",
        "reported": "新バージョンの報告",
        "checked": "接続確認の完了",
        "went-wrong": "失敗",
        "cancel": "取り消し",
        "overtake": "状況の変化による終了",
    },
    update.Failure: {
        "refused-by-adapter": "アダプタが拒否",
        "came-back-with-old": "旧バージョンのまま復帰",
        "never-asked": "指示後にプルなし",
        "gave-up": "ダウンロードを断念",
        "never-called-back": "書き込み後に応答なし",
        "no-connection-check": "接続確認ができない",
        "too-late": "期限までに開始できず",
        "withdrawn": "提供終了",
        "overtaken": "アダプタまたは更新先の変更",
        "aborted": "中止",
        "replaced": "別の更新に置き換え",
    },
    update.Start: {"at-once": "すぐに通知", "next-boot": "次回のプル時"},
    rollout.Newcomers: {"ignore": "対象にしない", "join": "最後の段階に加える"},
    Channel: {"phone": "電話", "web": "Web", "e-mail": "メール"},
    Evidence: {
        "none": "なし",
        "unreachable": "応答なし",
        "collecting": "収集中",
        "partial": "一部収集済み",
        "collected": "収集済み",
    },
    Stock: {
        "in-stock": "在庫",
        "in-transit": "輸送中",
        "under-return": "返送中",
        "returned": "返却済み",
        "retired": "除却済み",
        ON_CODE: "使用中",
    },
    bulk.State: {
        "planned": "計画済み",
        "running": "実行中",
        "paused": "一時停止中",
        "stopped": "停止",
        "aborted": "中止",
        "finished": "完了",
    },
    bulk.Event: {
        "started": "開始",
        "paused": "一時停止",
        "resumed": "再開",
        "aborted": "中止",
        "too many failed": "失敗が多いための停止",
        "not permitted": "権限がないための停止",
        "all ended": "完了",
    },
    bulk.RowState: {
        "refused": "拒否",
        "waiting": "待機中",
        "pre-flight": "事前収集中",
        "exchanged": "交換済み",
        "failed": "失敗",
        "cancelled": "取り消し",
    },
    rollout.State: {
        "planned": "計画済み",
        "running": "実行中",
        "soaking": "経過観察中",
        "waiting-approval": "承認待ち",
        "paused": "一時停止中",
        "stopped": "停止",
        "aborted": "中止",
        "finished": "完了",
    },
    rollout.Event: {
        "started": "開始",
        "wave ended": "段階の終了",
        "soaked": "経過観察の終了",
        "approval wanted": "承認の依頼",
        "approved": "承認",
        "paused": "一時停止",
        "resumed": "再開",
        "aborted": "中止",
        "too many failed": "失敗が多いための停止",
        "gate missed": "成功率が足りないための停止",
        "withdrawn": "配布中止による停止",
        "not permitted": "権限がないための停止",
        "mistake of the controller": "内部エラーによる停止",
        "all ended": "完了",
    },
    rollout.ItemState: {
        "skipped": "対象外",
        "waiting": "待機中",
        "ordered": "更新中",
        "good": "成功",
        "failed": "失敗",
        "cancelled": "取り消し",
        "not-needed": "更新不要",
    },
}
_MORE_EVENTS = {"stuck": "停滞"}
"""Lines of a journal that are no events of an exchange's life."""


def word(family: type[StrEnum], value: str, language: str) -> str:
    """A word for a cell of a table or a place in a sentence. One that is not known comes back as it is."""
    if language != "ja":
        return str(value)
    if family is Event:
        return _event(value)
    if family in _OTHERS:
        return _OTHERS[family].get(value, str(value))
    for table in _EXCHANGE:
        for key, phrase in table.items():
            if type(key) is family and key == value:
                return phrase.word
    return str(value)


def _event(value: str) -> str:
    """With the English word, which people type."""
    for event, japanese in EVENTS.items():
        if event == value:
            return f"{japanese} ({event})"
    return _MORE_EVENTS.get(value, value)


def told(table: Mapping[Any, Phrase], value: str, language: str) -> str:
    """The phrase of a table; the value itself where the table has none."""
    for key, phrase in table.items():
        if str(key) == str(value):
            return phrase.japanese if language == "ja" else phrase.english
    return str(value)


def reminder(what: str, language: str) -> str:
    """A word for a reminder: return-in-7-days, late-reported."""
    if language != "ja":
        return what
    if what.startswith("late-"):
        return f"{word(State, what.removeprefix('late-'), language)}: 期限超過"
    return REMINDERS[what].word if what in REMINDERS else what
