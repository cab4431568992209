"""Statistics drawn: stacked bars over time, as SVG or PNG, one after the other in a thread of their own.

Drawing takes a second at most. In the threads that all share, the charts that somebody asks for at once would hold up
everything else that is done in threads, firmware for adapters among it.

matplotlib is imported when the first chart is asked for: it takes half a second and 40 MB that few need.
"""

from __future__ import annotations

import asyncio
import io
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Literal

from controller.domain.errors import TooMany
from controller.services.statistics import By, Question, Step
from controller.store.pool import Row
from controller.words import translate

MOST_COLOURS = 9
"""So many things are told apart; all others are one more."""
_LABEL = 40
MOST_WAITING = 8
"""So many are drawn or wait for their turn; who comes then is sent away."""
_ONE_AT_A_TIME = ThreadPoolExecutor(1, "chart")  # matplotlib's caches are not made for threads
_asked: set[asyncio.Future[bytes]] = set()
_FORMATS = {Step.DAY: "%Y-%m-%d", Step.MONTH: "%Y-%m", Step.YEAR: "%Y"}


async def drawn(asked: Question, rows: Sequence[Row], kind: Literal["svg", "png"], language: str) -> bytes:
    """The file. language: of its few words; a PNG is in English, since no font with Japanese is known to be there.

    Raises TooMany when MOST_WAITING are asked for already.
    """
    if len(_asked) >= MOST_WAITING:
        raise TooMany(
            "Too many charts are being drawn.",
            next_step="Try again in a few seconds; the figures as CSV need no drawing.",
            retry_after_s=5,
        )
    stacks = stacked(asked, rows, translate("others", language if kind == "svg" else "en"))
    words = _words(asked, language if kind == "svg" else "en")
    turn = asyncio.get_running_loop().run_in_executor(_ONE_AT_A_TIME, _draw, asked, stacks, words, kind)
    _asked.add(turn)
    turn.add_done_callback(_asked.discard)
    return await turn  # who goes away gives the turn back


def stacked(asked: Question, rows: Sequence[Row], others: str) -> dict[str, list[int]]:
    """Counts for each period of the question, by label: the commonest first, what is rare together as `others`."""
    periods = {day: n for n, day in enumerate(asked.periods())}
    totals: Counter[str] = Counter()
    for row in rows:
        totals[_label(row, asked)] += row["count"]
    kept = {label for label, _ in totals.most_common(MOST_COLOURS)}
    stacks = {label: [0] * len(periods) for label, _ in totals.most_common(MOST_COLOURS)}
    for row in rows:
        label = _label(row, asked)
        counts = stacks.setdefault(label if label in kept else others, [0] * len(periods))
        counts[periods[row["period"]]] += row["count"]
    return stacks


def _label(row: Mapping[str, object] | Row, asked: Question) -> str:
    """Firmware versions are adapters' own words: nothing in them may be markup, a formula or a control character."""
    said = " ".join(str(row[one.value] or "?") for one in By if one in asked.by)
    plain = "".join(c if c.isprintable() and c != "$" else "?" for c in said)[:_LABEL]
    return plain.lstrip("_") or "-"  # a legend leaves out what begins with an underscore


def _words(asked: Question, language: str) -> dict[str, str]:
    return {
        "title": translate("Exchanges by what was taken out", language),
        "counts": translate("exchanges", language),
        "periods": _periods(asked.step, language),
    }


def _periods(step: Step, language: str) -> str:
    match step:
        case Step.DAY:
            return translate("days (JST)", language)
        case Step.MONTH:
            return translate("months (JST)", language)
        case Step.YEAR:
            return translate("years (JST)", language)


def _draw(asked: Question, stacks: Mapping[str, list[int]], words: Mapping[str, str], kind: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure  # the object API: pyplot keeps every figure, and wants a main thread
    from matplotlib.ticker import MaxNLocator

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "hikitsugi"})  # text stays text; same in, same out
    days: list[date] = list(asked.periods())
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    bottom, edges = [0] * len(days), [n - 0.5 for n in range(len(days) + 1)]
    for label, counts in stacks.items():
        top = [low + count for low, count in zip(bottom, counts, strict=True)]
        # One shape a label: with one a bar, 400 days take 6 s of the interpreter that answers adapters, and not 1.
        axes.stairs(top, edges, baseline=bottom, fill=True, label=label)
        bottom = top
    every = max(1, len(days) // 24)
    axes.set_xticks(range(0, len(days), every), [day.strftime(_FORMATS[asked.step]) for day in days[::every]])
    axes.tick_params(axis="x", rotation=60)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(words["title"])
    axes.set_xlabel(words["periods"])
    axes.set_ylabel(words["counts"])
    if stacks:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # measured without; the reader's own font draws it
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()
