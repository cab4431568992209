"""`hikitsugi code group|tag|standby`: how codes are selected, and which two are a pair."""

from typing import Annotated

import typer

from controller.cli.commands import Session, segment
from controller.cli.groups.codes import CodeName, code
from controller.cli.words import _

__all__ = ["code"]

Codes = Annotated[list[str], typer.Argument(help=_("One or more codes."))]


@code.command("group", help=_("Put codes into a group."))
def put_into_group(
    session: Session,
    codes: Codes,
    group: Annotated[str, typer.Option("--group", help=_("Name of the group; - for none."))],
) -> None:
    name = "" if group == "-" else group
    for each in codes:
        session.api.send("PUT", f"/codes/{segment(each)}/group", {"group": name})
    session.out.done({"codes": codes, "group": name}, _("{codes}: group {group}.", codes=codes, group=group))


@code.command("tag", help=_("Add tags to codes, or remove them."))
def tag(
    session: Session,
    codes: Codes,
    add: Annotated[list[str] | None, typer.Option("--add", help=_("A tag to add; repeatable."))] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help=_("A tag to remove; repeatable."))] = None,
) -> None:
    body = {"add": add or [], "remove": remove or []}
    changed = [session.api.send("POST", f"/codes/{segment(each)}/tags", body) for each in codes]
    said = "\n".join(_("{code}: tags {tags}.", **one) for one in changed)
    session.out.done(changed, said)


@code.command(
    "standby", help=_("Say which standby takes over for an entry; the two never have a task at the same time.")
)
def designate(
    session: Session,
    entry: CodeName,
    standby: Annotated[str, typer.Argument(help=_("A standby of the same contract, or - for none."))],
) -> None:
    chosen = None if standby == "-" else standby
    session.api.send("PUT", f"/codes/{segment(entry)}/designated-standby", {"standby": chosen})
    result = {"code": entry, "designated_standby": chosen}
    session.out.done(result, _("{code}: standby {standby}.", code=entry, standby=standby))
