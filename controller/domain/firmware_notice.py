"""The draft of the notice that announces a withdrawal as a service change, in Japanese and English (R4.3, R5.3). Pure.

A draft: a person reads it before it is published. It tells no numbers of adapters, since every contract may read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.domain.errors import spoken

_JA = """\
# 【サービス変更】{title} ファームウェア {version} の提供終了のお知らせ

対象: {whom}
提供終了日時: {at}

ファームウェア {version}{code_name} の提供を終了しました。

## 理由

{why}

## お客様への影響

- このバージョンは、今後選択することもダウンロードすることもできません。
- すでにこのバージョンで動作しているサービスアダプタは、そのまま動作を続けます。
- このバージョンへの更新のうち、書き込みが始まっていないものは取り消しました。
- このバージョンを更新先に指定していたサービスコードは、指定を解除しました。

## お客様へのお願い

{advice}
ファームウェアの更新は無償です。更新するかどうかは、リリースノートをご確認のうえお客様にてご判断ください。
"""

_EN = """\
# [Service change] Firmware {version} for {title} has been withdrawn

For: {whom}
Withdrawn at: {at}

Firmware {version}{code_name} is no longer provided.

## Why

{why}

## What this means for you

- This version can no longer be chosen or downloaded.
- Adapters that run it already go on running it.
- Updates to it whose writing had not begun have been cancelled.
- Codes that had it as their target have none now.

## What you can do

{advice}
Firmware is free of charge. Whether to update is your decision, from the release notes.
"""

_ADVICE = {
    "ja": ("{newest} への更新をご検討ください。", "代わりとなるバージョンは、提供開始時にあらためてお知らせします。"),
    "en": ("Please consider updating to {newest}.", "We will tell you when there is a version to take its place."),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """The draft, as Markdown, in both languages."""

    ja: str
    en: str


def draft(
    *, title: str, version: str, code_name: str, models: Sequence[str], why: str, newest: str | None, at: datetime
) -> Notice:
    """title: of the series. models: () for all of it. newest: what takes its place, None when nothing does yet."""
    told = {
        "title": title,
        "version": version,
        "code_name": f" ({code_name})" if code_name else "",
        "whom": ", ".join(models) or title,
        "why": why,
        "at": spoken(at),
    }
    return Notice(_JA.format(**told, advice=_advice("ja", newest)), _EN.format(**told, advice=_advice("en", newest)))


def _advice(language: str, newest: str | None) -> str:
    with_one, without = _ADVICE[language]
    return with_one.format(newest=newest) if newest else without
