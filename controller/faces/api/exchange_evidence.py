"""What was collected of an adapter before it was removed, to read."""

from __future__ import annotations

from datetime import datetime

from controller.domain.evidence import Evidence as EvidenceState
from controller.faces.api.context import PEOPLE, Context
from controller.faces.api.exchanges import Number
from controller.faces.http import Call, Route
from controller.faces.http.payload import Answer, text_or_base64
from controller.services import exchange_evidence
from controller.store import transcripts
from controller.store.pool import Row


class EvidenceRun(Answer):
    """One try to collect it."""

    task: int
    campaign: int
    state: str
    failure: str | None
    detail: str
    started_at: datetime | None
    finished_at: datetime | None


class Printed(Answer):
    """What the adapter printed for one line, secrets masked. Exactly one of text and base64 is set.

    With the fields that could be read of it: GET /tasks/{task}.
    """

    task: int
    adapter: str
    code: str
    firmware: str
    line: str
    started_at: datetime
    size: int
    truncated: bool
    masked: int
    failure: str | None
    detail: str
    text: str | None
    base64: str | None


class HadConfig(Answer):
    """A config revision that the code had when the case was opened."""

    module: int
    stage: str
    revision: int
    at: datetime
    size: int
    account: str


class ExchangeEvidence(Answer):
    exchange: int
    """Whose evidence it is: of a return, its swap's."""
    evidence: EvidenceState
    reason: str
    """Why the case does without."""
    runs: list[EvidenceRun]
    transcripts: list[Printed]
    configs: list[HadConfig]


async def read_evidence(call: Call, exchange: Number, context: Context) -> ExchangeEvidence:
    """Config, status set and log of the adapter that went out, collected while it answered. That it was read is
    recorded."""
    found = await exchange_evidence.of(context.db, exchange, caller=call.caller, now=context.clock())
    return ExchangeEvidence(
        exchange=found.standing.exchange,
        evidence=found.standing.evidence,
        reason=found.standing.reason,
        runs=[EvidenceRun.from_row(run, task=run["id"]) for run in found.runs],
        transcripts=[_printed(task, row) for task, row in found.transcripts],
        configs=[HadConfig.from_row(row) for row in found.configs],
    )


def _printed(task: int, row: Row) -> Printed:
    return Printed.from_row(row, task=task, **text_or_base64(transcripts.unpacked(row)))


ROUTES = (
    Route(
        "GET",
        "/exchanges/{exchange}/evidence",
        read_evidence,
        roles=PEOPLE,
        summary="What was collected before removal",
        tags=("exchanges",),
    ),
)
