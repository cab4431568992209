"""The plan of a rollout: whom it will update, in which wave, and who is left out and why. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.errors import Invalid, NotFound
from controller.domain.firmware import Image, Numbering, known_key
from controller.domain.firmware_rollout import ItemState
from controller.domain.firmware_rollout_plan import Judged, Verdict, Wave, in_order, judge, waves
from controller.domain.sentence import Sentence, sentence
from controller.domain.why import kept
from controller.services import selections
from controller.services.firmware_rollout_options import Options, check, settings
from controller.services.selections import Selection
from controller.store import firmware as catalogue
from controller.store import firmware_rollout_items as items
from controller.store.firmware_rollouts import New
from controller.store.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen. items: as of store/firmware_rollouts.New, in the order of updating, those left out at the end.

    contract: the one that all codes are of, or None. predicted: why codes are left out, and how many of each reason.
    noted: what is to be known of those that will be updated, likewise. running: versions that they run, lowest first.
    """

    series: str
    version: str
    selection: Selection
    contract: str | None
    waves: Sequence[Wave]
    items: Sequence[dict[str, Any]]  # Any: JSON values
    predicted: Sequence[tuple[Sentence, int]] = field(default=())
    noted: Sequence[tuple[Sentence, int]] = field(default=())
    running: Sequence[str] = field(default=())

    @property
    def codes(self) -> int:
        return self.waves[-1].until if self.waves else 0


async def plan(
    db: Database, series: str, version: str, selection: Selection, options: Options, *, caller: Caller, now: datetime
) -> Plan:
    """Judge every code that the selection means.

    Operators reach codes of their contract only. Raises NotFound (the version is not offered; a contract, a code, a
    kept selection), Invalid (options that make no sense; nobody is left to update).
    """
    check(selection, series, options, now)
    images = await catalogue.offered(db, series)
    target = offered(images, series, version)
    async with db.transaction(readonly=True) as tx:
        meant, judged = await _judged(tx, selection, target, images, options.downgrade, caller, now)
    return _planned(target, meant, judged, options, caller)


def offered(images: Sequence[Image], series: str, version: str) -> Image:
    """The image of the version. Raises NotFound: it is not catalogued, not signed, or withdrawn (R4.3)."""
    target = next((image for image in images if image.version == version), None)
    if target is None:
        raise NotFound(
            "Firmware {version} of {series} is not offered.",
            next_step="hikitsugi firmware ls --series {series} says which versions there are, and their state.",
            version=version,
            series=series,
        )
    return target


async def _judged(
    tx: Connection,
    selection: Selection,
    target: Image,
    images: Sequence[Image],
    downgrade: bool,
    caller: Caller,
    now: datetime,
) -> tuple[Selection, list[Judged]]:
    """What the selection came to, and each of its codes."""
    wanted = selection if selection.codes else replace(selection, series=target.series)
    found = await selections.resolve(tx, wanted, caller)
    missing = {skip.code: skip.why for skip in found.skips}
    rows = await items.candidates(tx, [*(row["code"] for row in found.targets), *missing])
    judged = [judge(items.candidate(row), target, images, downgrade=downgrade, now=now) for row in rows]
    left_out = [
        replace(each, verdict=Verdict.LEFT_OUT, why=missing[each.candidate.code], notes=())
        if each.candidate.code in missing and each.verdict is Verdict.UPDATE
        else each
        for each in judged
    ]
    return replace(found.selection, saved=None), left_out


async def newcomers(
    tx: Connection, definition: dict[str, Any], target: Image, images: Sequence[Image], *, caller: Caller, now: datetime
) -> list[Judged]:
    """Codes that a kept plan's selection means now and that can be updated. Raises ControllerError. Any: JSON."""
    _, judged = await _judged(tx, Selection.from_json(definition), target, images, False, caller, now)
    return [each for each in judged if each.verdict is Verdict.UPDATE]


def _planned(target: Image, meant: Selection, judged: Sequence[Judged], options: Options, caller: Caller) -> Plan:
    by_code = {each.candidate.code: each for each in judged}
    going = [each.candidate for each in judged if each.verdict is Verdict.UPDATE]
    order = in_order(going, f"{target.series}/{target.version}", options.canaries)
    cut = waves(len(order), options.canaries, options.shares)
    if not judged:
        raise Invalid(
            "No code is as the selection wants it.",
            next_step="hikitsugi code ls lists the codes, hikitsugi code show what each is.",
        )
    left_out = [each for each in judged if each.verdict is not Verdict.UPDATE]
    rows = [item(line, _wave_of(line, cut), by_code[each.code]) for line, each in enumerate(order, 1)]
    rows += [item(line, len(cut), each) for line, each in enumerate(left_out, len(rows) + 1)]
    contracts = {each.candidate.contract for each in judged}
    return Plan(
        series=target.series,
        version=target.version,
        selection=meant,
        contract=caller.contract or (contracts.pop() if len(contracts) == 1 else None),
        waves=cut,
        items=rows,
        predicted=_counted(each.why for each in left_out if each.why),
        noted=_counted(note for each in going for note in by_code[each.code].notes),
        running=in_order_of_versions(target.numbering, {each.firmware for each in going}),
    )


def _wave_of(line: int, cut: Sequence[Wave]) -> int:
    return next(number for number, wave in enumerate(cut, 1) if line <= wave.until)


def item(line: int, wave: int, judged: Judged) -> dict[str, Any]:
    """As it is kept. Any: JSON values."""
    candidate, left_out = judged.candidate, judged.verdict is not Verdict.UPDATE
    return {
        **{"line": line, "wave": wave, "code": candidate.code, "contract": candidate.contract},
        **{"adapter": candidate.adapter, "running": candidate.firmware},
        "state": (ItemState.SKIPPED if left_out else ItemState.WAITING).value,
        "why": kept(judged.why) if judged.why else None,
        "notes": [kept(note) for note in judged.notes],
    }


_GENERAL = {
    "Exchange {exchange} holds the code.": sentence("An exchange holds the code."),
    "Update {update} of it is open.": sentence("An update of it is open."),
    "It runs {running}, which is newer; an older version is not rolled out unless that is said.": sentence(
        "It runs a newer version."
    ),
    "Its adapter has been silent since {since}.": sentence("Its adapter has been silent for long."),
}


def in_order_of_versions(numbering: Numbering, versions: Iterable[str]) -> tuple[str, ...]:
    """Those that are versions at all, the lowest first."""
    keys = {version: known_key(numbering, version) for version in versions}
    return tuple(version for _, version in sorted((key, version) for version, key in keys.items() if key is not None))


def _counted(reasons: Iterable[Sentence]) -> list[tuple[Sentence, int]]:
    """Each by how many codes it is of; what differs from code to code is left to the items."""
    said: dict[str, Sentence] = {}
    count: Counter[str] = Counter()
    for each in reasons:
        why = _GENERAL.get(each.template, each)
        said[str(why)] = why
        count[str(why)] += 1
    return [(said[text], number) for text, number in count.most_common(100)]


def new(plan: Plan, options: Options) -> New:
    """As the plan is kept."""
    return New(
        contract=plan.contract,
        series=plan.series,
        version=plan.version,
        reason=options.reason,
        selection=plan.selection.as_json(),
        settings=settings(options),
        success_share=options.success,
        soak_s=int(options.soak.total_seconds()),
        stop_share=options.stop,
        approval=options.approval,
        newcomers=options.newcomers.value,
        at_once=options.at_once,
        waves=[wave.upto for wave in plan.waves],
        items=plan.items,
    )
