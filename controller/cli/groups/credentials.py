"""`hikitsugi credential`, `jump-host`: what opens the adapters' SSH, and the host on the way."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.failures import CliError, Exit
from controller.cli.groups.adapters import Name, serial_of
from controller.cli.output import Column
from controller.cli.words import _

credential = group("credential", _("What opens the adapters' SSH."))
jump_host = group("jump-host", _("SSH hosts that lead to a contract's adapters."))

Adapter = Annotated[str, typer.Option("--adapter", help=_("Serial number, or the code that holds the adapter."))]
Contract = Annotated[str, typer.Option("--contract", help=_("Contract number."))]
ContractName = Annotated[str, typer.Argument(help=_("Contract number."))]
Username = Annotated[str, typer.Option(help=_("User name."))]
PasswordFile = Annotated[
    Path | None, typer.Option(help=_("File with the password in its first line; - is standard input."))
]
KeyFile = Annotated[Path | None, typer.Option(help=_("File with an OpenSSH private key without passphrase."))]
Reason = Annotated[str, typer.Option(help=_("Why; kept in the audit trail."))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=_("Only say what would change."))]
Alone = Annotated[bool, typer.Option("--alone", help=_("Delete earlier ones and try them no more."))]

_LOGIN = (
    Column(_("adapter"), "serial"),
    Column(_("code"), "code"),
    Column(_("contract"), "contract"),
    Column(_("source"), "source"),
    Column(_("user name"), "username"),
    Column(_("password"), "has_password"),
    Column(_("key"), "key_fingerprint"),
    Column(_("state"), "state"),
    Column(_("opened"), "opened_at"),
    Column(_("refused"), "refused_at"),
    Column(_("earlier one tried"), "has_earlier"),
    Column(_("jump host"), "jump_host"),
    Column(_("set"), "set_at"),
    Column(_("by"), "account"),
    Column(_("reason"), "reason"),
)
_LISTED = ("serial", "code", "source", "username", "state", "opened_at", "refused_at", "has_earlier", "set_at")


@credential.command("ls", help=_("List which adapters are logged in to with what, and whether it has worked yet."))
def list_logins(
    session: Session,
    contract: Contract = "",
    state: Annotated[str, typer.Option(help=_("inventory, logged-in, refused or not-tried."))] = "",
) -> None:
    columns = [column for column in _LOGIN if column.value in _LISTED]
    session.out.table(session.api.pages("/credentials", contract=contract or None, state=state or None), columns)


@credential.command("counts", help=_("How far a rotation is: on how many adapters the new credential has worked."))
def counts(session: Session, contract: Contract = "") -> None:
    columns = (
        Column(_("logged in"), "logged_in", right=True),
        Column(_("refused"), "refused", right=True),
        Column(_("not tried yet"), "not_tried", right=True),
        Column(_("only the inventory's"), "inventory", right=True),
    )
    session.out.record(session.api.get("/credentials/counts", contract=contract or None), columns)


@credential.command("show", help=_("Show how one adapter is logged in to; secrets are never shown."))
def show(session: Session, name: Name) -> None:
    serial = serial_of(session, name)
    session.out.record(session.api.get(f"/adapters/{segment(serial)}/credential"), _LOGIN)


@credential.command("set", help=_("Set the credential of one adapter, or of all of a contract's."))
def set_credential(
    session: Session,
    username: Username,
    adapter: Adapter = "",
    contract: Contract = "",
    password_file: PasswordFile = None,
    private_key_file: KeyFile = None,
    reason: Reason = "",
    alone: Alone = False,
    dry_run: DryRun = False,
) -> None:
    path = _path(session, adapter, contract)
    body = {**_secrets(username, password_file, private_key_file), "reason": reason, "alone": alone}
    done = session.api.send("PUT", path, body, query={"dry_run": dry_run})
    _tell(session, done)


@credential.command("import", help=_("Set the credentials of many adapters from CSV: all or nothing."))
def import_file(
    session: Session,
    file: Annotated[Path, typer.Argument(help=_("CSV: serial, username, password, private_key."))],
    reason: Reason = "",
    alone: Alone = False,
    dry_run: DryRun = False,
) -> None:
    query = {"dry_run": dry_run, "alone": alone, "reason": reason or None}
    size = file.stat().st_size if file.is_file() else None
    with session.out.progress(_("sending"), size) as progress:
        done = session.api.upload("POST", "/credentials/import", file, "text/csv", query=query, progress=progress)
    _tell(session, done)


def _tell(session: Session, done: Any) -> None:
    """Any: the API's JSON answer."""
    if done["dry_run"]:
        sentence = _("{changed} of {rows} would change.", changed=done["changed"], rows=done["rows"])
    elif done["changed"]:
        sentence = _("{changed} of {rows} changed; earlier ones are tried second until these have worked.", **done)
    else:
        sentence = _("Nothing changed: they were set already.")
    session.out.done(done, sentence)


@credential.command("withdraw", help=_("Take the current credential back: the one before it is used again."))
def withdraw(session: Session, adapter: Adapter = "", contract: Contract = "", reason: Reason = "") -> None:
    done = session.api.send("DELETE", _path(session, adapter, contract), query={"reason": reason or None})
    if done["earlier"]:
        sentence = _("The one before it is current again.")
    else:
        sentence = _("None was before it: the contract's or the inventory's login is used now.")
    session.out.done(done, sentence)


@credential.command("forget-earlier", help=_("Delete earlier credentials: only the current one is tried from now on."))
def forget_earlier(session: Session, adapter: Adapter = "", contract: Contract = "", reason: Reason = "") -> None:
    session.api.send("DELETE", _path(session, adapter, contract) + "/earlier", query={"reason": reason or None})
    session.out.done({"forgotten": True}, _("Only the current one is tried from now on."))


def _path(session: Session, adapter: str, contract: str) -> str:
    if bool(adapter) == bool(contract):
        raise CliError(_("Whose credential is it?"), Exit.REFUSED, next_step=_("Say either --adapter or --contract."))
    if adapter:
        return f"/adapters/{segment(serial_of(session, adapter))}/credential"
    return f"/contracts/{segment(contract)}/credential"


def _secrets(username: str, password_file: Path | None, key_file: Path | None) -> dict[str, str]:
    """Never from the command line, where other people on this machine can read it."""
    password = _read(password_file).partition("\n")[0].rstrip("\r") if password_file else ""
    if not password_file and not key_file:
        if not sys.stdin.isatty():
            raise CliError(
                _("A password or a private key is wanted."),
                Exit.REFUSED,
                next_step=_("Give --password-file or --private-key-file."),
            )
        password = typer.prompt(_("Password"), hide_input=True, confirmation_prompt=True)
    return {"username": username, "password": password, "private_key": _read(key_file) if key_file else ""}


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise CliError(
            _("The file {file} cannot be read: {reason}.", file=file, reason=reason), Exit.REFUSED
        ) from error


@jump_host.command("show", help=_("Show the SSH host on the way to a contract's adapters."))
def show_jump_host(session: Session, contract: ContractName) -> None:
    columns = (
        Column(_("contract"), "contract"),
        Column(_("address"), "address"),
        Column(_("port"), "port"),
        Column(_("user name"), "username"),
        Column(_("password"), "has_password"),
        Column(_("key"), "key_fingerprint"),
        Column(_("host key"), "host_key"),
        Column(_("set"), "set_at"),
        Column(_("by"), "account"),
    )
    session.out.record(session.api.get(f"/contracts/{segment(contract)}/jump-host"), columns)


@jump_host.command("set", help=_("Reach a contract's adapters through an SSH host from now on."))
def set_jump_host(
    session: Session,
    contract: ContractName,
    address: Annotated[str, typer.Option(help=_("Numeric address."))],
    host_key: Annotated[str, typer.Option(help=_("The public key: ssh-ed25519 AAAA…"))],
    username: Username,
    port: Annotated[int, typer.Option(help=_("Its SSH port."), min=1, max=65535)] = 22,
    password_file: PasswordFile = None,
    private_key_file: KeyFile = None,
) -> None:
    login = _secrets(username, password_file, private_key_file)
    body = {"address": address, "port": port, "host_key": host_key, **login}
    session.api.send("PUT", f"/contracts/{segment(contract)}/jump-host", body)
    session.out.done({"contract": contract}, _("Contract {contract} has a jump host now.", contract=contract))


@jump_host.command("rm", help=_("Reach a contract's adapters straight again."))
def remove_jump_host(session: Session, contract: ContractName) -> None:
    session.api.send("DELETE", f"/contracts/{segment(contract)}/jump-host")
    session.out.done({"contract": contract}, _("Contract {contract} has no jump host any more.", contract=contract))
