"""What the firmware repository says, as it is kept in the database and said in the reader's language later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.domain.sentence import Sentence, sentence
from controller.domain.why import kept
from firmware_repo.chain import Verified
from firmware_repo.errors import Said


def translatable(detail: str) -> Sentence | str:
    """Of an error's `detail`: the sentence with its parts, so that each can be translated; other text as it is."""
    if not isinstance(detail, Said):
        return detail
    params = {name: translatable(each) if isinstance(each, str) else each for name, each in detail.params.items()}
    return Sentence(detail.template, params)


def faults_of(verified: Verified) -> Mapping[str, dict[str, Any]]:
    """By series, why its document cannot be believed, as reasons are kept (domain/why.py; Any: JSON values)."""
    return {
        series: kept(sentence("{why}", why=translatable(fault.detail))) for series, fault in verified.faults.items()
    }
