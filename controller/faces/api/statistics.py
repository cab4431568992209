"""Exchanges by model and firmware over time: as JSON, as a file for a spreadsheet, as a chart."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Accepts, Call, Query, Route
from controller.faces.http.payload import Answer, Moment, Stream
from controller.services import charts, statistics
from controller.services.statistics import COLUMNS, By, Question, Step
from controller.services.tables import as_csv

_Since = Annotated[Moment | None, Query("from the period of this time on; default: 30 days, 12 months or 5 years ago")]
_Until = Annotated[Moment | None, Query("before this time; default: now")]
_Step = Annotated[Step, Query("how long a period is, by JST's calendar")]
_By = Annotated[list[By], Query("what is told apart; may be repeated"), Field(max_length=3)]
_Contract = Annotated[str | None, Query("only of this contract")]
ALL = list(By)


class Counted(Answer):
    """Exchanges opened in a period, of one model, firmware and kind. Those that were withdrawn do not count."""

    period: date
    """Its first day in JST."""
    model: str
    """Of the unit that goes out; "" when models are not told apart."""
    firmware: str
    """What that unit ran when the exchange was opened; "" when nobody knows, or when it is not told apart."""
    kind: str
    count: int
    faults: int
    """So many for a fault; the others were planned."""
    confirmed: int
    """So many whose replacement was seen in its place."""
    lapsed: int
    """So many swaps whose new adapter was not seen in time, nor since."""
    declined: int


def _question(
    call: Call,
    context: Context,
    since: Moment | None,
    until: Moment | None,
    step: Step,
    by: list[By],
    contract: str | None,
) -> Question:
    return statistics.question(
        since=since,
        until=until,
        step=step,
        by=set(by),
        contract=contract,
        caller=call.caller,
        now=context.clock(),
    )


async def count_exchanges(
    call: Call,
    context: Context,
    since: _Since = None,
    until: _Until = None,
    step: _Step = Step.MONTH,
    by: _By = ALL,
    contract: _Contract = None,
) -> list[Counted]:
    """Oldest first; periods and combinations without exchanges are left out."""
    asked = _question(call, context, since, until, step, by, contract)
    return [Counted.from_row(row) for row in await statistics.counted(context.db, asked)]


async def export_counts(
    call: Call,
    context: Context,
    format: Annotated[Literal["csv", "svg", "png"], Query("csv, svg or png")] = "csv",  # noqa: A002  # the wire's word
    since: _Since = None,
    until: _Until = None,
    step: _Step = Step.MONTH,
    by: _By = ALL,
    contract: _Contract = None,
) -> Annotated[Stream, Accepts("text/csv", "image/svg+xml", "image/png")]:
    """The same as a file for a spreadsheet, or drawn as stacked bars."""
    asked = _question(call, context, since, until, step, by, contract)
    rows = await statistics.counted(context.db, asked)
    if format == "csv":
        return Stream("text/csv", as_csv(COLUMNS, statistics.each(rows)), filename="exchanges.csv")
    picture = await charts.drawn(asked, rows, format, call.language)
    content_type = "image/svg+xml" if format == "svg" else "image/png"
    return Stream.of(content_type, picture, filename=f"exchanges.{format}")


ROUTES = (
    Route(
        "GET",
        "/exchanges/statistics",
        count_exchanges,
        roles=PEOPLE,
        summary="Exchanges by model and firmware over time",
        tags=("exchanges",),
    ),
    Route(
        "GET",
        "/exchanges/statistics/export",
        export_counts,
        roles=PEOPLE,
        summary="The same as CSV, or drawn as SVG or PNG",
        tags=("exchanges",),
    ),
)
