"""The words of exchanges in mail: kinds, states, reminders and who must act. What comes next: domain/exchange.WAITS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from controller.domain.exchange import AWAITS_OLD_UNIT, WAITS, Actor, Kind, State
from controller.words import translate

_Word = TypeVar("_Word", bound=str)

KINDS = {
    Kind.SWAP: ("エントリ/スタンバイ交換", "Entry/standby exchange"),
    Kind.SEND_BACK: ("センドバック交換", "Send-back exchange"),
    Kind.ON_SITE: ("駆けつけ交換", "On-site exchange"),
    Kind.RETURN: ("故障機の返送", "Return of a faulty adapter"),
}

STATES = {
    State.PRE_FLIGHT: ("交換前の証跡を収集しています", "evidence is collected before the exchange"),
    State.ORDERED: ("登録を入れ替えました", "the registrations were exchanged"),
    State.PULLED: ("新しいアダプタがコンフィグを取得しました", "the new adapter has fetched its config"),
    State.CONFIRMED: ("交換が完了しました", "the exchange is confirmed"),
    State.LAPSED: (
        "新しいアダプタが期限までに接続していません",
        "the new adapter was not seen in time",
    ),
    State.SUPERSEDED: ("別の交換に置き換えられました", "another exchange took its place"),
    State.REPORTED: ("故障の申告を受け付けました", "a fault was reported"),
    State.REQUESTED: ("駆けつけの依頼を受け付けました", "an on-site exchange was requested"),
    State.RECOGNISED: ("故障と認定しました", "the fault was recognised"),
    State.DECLINED: ("保守の対象外としました", "the case was declined"),
    State.WITHDRAWN: ("取り下げられました", "the case was withdrawn"),
    State.DISPATCHED: ("代替機を発送しました", "a replacement was dispatched"),
    State.DRIVER_ASSIGNED: ("作業員を手配しました", "a driver was assigned"),
    State.REGISTRATION_CHANGED: ("登録を代替機に変更しました", "the registration was changed to the replacement"),
    State.DELIVERED: ("代替機が到着しました", "the replacement has arrived"),
    State.BOOT_CONFIRMED: ("代替機の正常起動を確認しました", "the replacement booted normally"),
    State.OVERDUE: ("故障機が返送期限を過ぎています", "the return of the faulty adapter is overdue"),
    State.RETURNED: ("故障機が返送されました", "the faulty adapter was returned"),
    State.COLLECTED: ("故障機を回収しました", "the faulty adapter was collected"),
    State.WAITING: ("故障機の到着を待っています", "the faulty adapter is awaited"),
    State.RECEIVED: ("故障機を受領しました", "the faulty adapter was received"),
    State.REGISTERED: ("代替機を登録しました", "the replacement was registered"),
    State.CLOSED: ("終了しました", "the case was closed"),
}

ACTORS = {
    Actor.OPERATOR: ("運用管理担当者", "the operator"),
    Actor.DESK: ("お客様窓口", "the desk"),
    Actor.ADAPTER: ("アダプタ", "the adapter"),
    Actor.CLOCK: ("コントローラ(自動)", "the controller, by itself"),
}

REMINDERS = {
    "return-in-7-days": ("返送期限まで 7 日です", "7 days are left to return the faulty adapter"),
    "return-in-1-day": ("返送期限は明日です", "1 day is left to return the faulty adapter"),
}
"""R3.9."""


@dataclass(frozen=True, slots=True)
class Words:
    """For templates. Each takes the word as it stands in the payload, and gives one that is not known back as it is."""

    language: str

    def kind(self, value: str) -> str:
        return self._of(KINDS, value)

    def state(self, value: str) -> str:
        return self._of(STATES, value)

    def reminder(self, value: str) -> str:
        return self._of(REMINDERS, value)

    def who(self, kind: str, state: str) -> str:
        """Who must act next; "" when nothing is waited for."""
        wait = WAITS.get((Kind(kind), State(state)))
        return self._of(ACTORS, wait.who) if wait else ""

    def awaits_old_unit(self, kind: str, state: str) -> bool:
        """The reader is to send the faulty unit back (R3.9, R3.13)."""
        return (kind, state) in AWAITS_OLD_UNIT

    def next(self, kind: str, state: str) -> str:
        """What comes next, a sentence; "" when nothing does."""
        wait = WAITS.get((Kind(kind), State(state)))
        return translate(wait.what, self.language) if wait else ""

    def _of(self, table: Mapping[_Word, tuple[str, str]], value: str) -> str:
        for key, (japanese, english) in table.items():
            if str(key) == str(value):
                return japanese if self.language == "ja" else english
        return value


def of(language: str) -> Words:
    """The words in that language."""
    return Words(language)
