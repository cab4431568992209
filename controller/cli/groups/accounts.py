"""`hikitsugi whoami`, `contract`, `account`, `key`."""

from typing import Annotated, Any

import typer

from controller.cli.commands import Commands, Session, group, segment
from controller.cli.output import Column
from controller.cli.words import _

top = Commands()
contract = group("contract", _("Contracts."))
account = group("account", _("Accounts of people and programs."))
key = group("key", _("Access keys of accounts."))

Note = Annotated[str, typer.Option(help=_("What the key is for."))]


@top.command("whoami", help=_("Show whose access key is used, and what it may do."))
def whoami(session: Session) -> None:
    columns = (
        Column(_("account"), "account"),
        Column(_("role"), "role"),
        Column(_("contract"), "contract"),
        Column(_("key"), "key"),
    )
    session.out.record(session.api.get("/whoami"), columns)


@contract.command("ls", help=_("List contracts."))
def list_contracts(session: Session) -> None:
    columns = (
        Column(_("contract"), "contract"),
        Column(_("name"), "name"),
        Column(_("entries"), "entries", right=True),
        Column(_("standbys"), "standbys", right=True),
        Column(_("created"), "created_at"),
    )
    session.out.table(session.api.pages("/contracts"), columns)


@contract.command("create", help=_("Create a contract."))
def create_contract(
    session: Session,
    contract: Annotated[str, typer.Argument(help=_("Contract number."))],
    name: Annotated[str, typer.Option(help=_("Name of the customer."))] = "",
) -> None:
    session.api.send("POST", "/contracts", {"contract": contract, "name": name})
    session.out.done({"contract": contract}, _("Contract {contract} exists now.", contract=contract))


@contract.command("policy", help=_("Show or change what a contract's operators may run."))
def contract_policy(
    session: Session,
    contract: Annotated[str, typer.Argument(help=_("Contract number."))],
    allow: Annotated[
        list[str] | None,
        typer.Option(help=_("status, diagnostic, clear or management; repeatable. What is not named is forbidden.")),
    ] = None,
    tasks_at_once: Annotated[
        int | None, typer.Option(help=_("Adapters that may be busy at once; 0: the controller's setting."), min=0)
    ] = None,
) -> None:
    found = _contract(session, contract)
    if allow is not None or tasks_at_once is not None:
        wanted = found["tasks_at_once"] if tasks_at_once is None else tasks_at_once or None
        body = {"command_classes": allow or found["command_classes"], "tasks_at_once": wanted}
        session.api.send("PUT", f"/contracts/{segment(contract)}/policy", body)
        found = _contract(session, contract)
    columns = (
        Column(_("contract"), "contract"),
        Column(_("operators may run"), lambda row: ", ".join(row["command_classes"])),
        Column(_("tasks at once"), "tasks_at_once"),
    )
    session.out.record(found, columns)


@contract.command("maintenance", help=_("Show or change where a contract's replacements go, and its options."))
def contract_maintenance(
    session: Session,
    contract: Annotated[str, typer.Argument(help=_("Contract number."))],
    address: Annotated[
        str | None, typer.Option(help=_("Delivery address of replacements; a case may name another one."))
    ] = None,
    ultra_send_back: Annotated[
        bool | None,
        typer.Option("--ultra-send-back/--no-ultra-send-back", help=_("The option that on-site exchange needs.")),
    ] = None,
) -> None:
    found = _contract(session, contract)
    if address is not None or ultra_send_back is not None:
        body = {
            "delivery_address": found["delivery_address"] if address is None else address,
            "ultra_send_back": found["ultra_send_back"] if ultra_send_back is None else ultra_send_back,
        }
        session.api.send("PUT", f"/contracts/{segment(contract)}/maintenance", body)
        found = _contract(session, contract)
    columns = (
        Column(_("contract"), "contract"),
        Column(_("delivery address"), "delivery_address"),
        Column(_("Ultra Send-back"), "ultra_send_back"),
    )
    session.out.record(found, columns)


def _contract(session: Session, number: str) -> Any:
    """Any: a JSON object. Raises CliError."""
    from controller.cli.failures import CliError, Exit

    found = next((one for one in session.api.pages("/contracts") if one["contract"] == number), None)
    if found is None:
        sentence = _("There is no contract {contract}.", contract=number)
        raise CliError(sentence, Exit.REFUSED, next_step=_("hikitsugi contract ls lists them."))
    return found


@account.command("ls", help=_("List accounts."))
def list_accounts(session: Session) -> None:
    columns = (
        Column(_("account"), "account"),
        Column(_("role"), "role"),
        Column(_("contract"), "contract"),
        Column(_("name"), "name"),
        Column(_("keys"), "keys", right=True),
        Column(_("disabled"), "disabled_at"),
    )
    session.out.table(session.api.pages("/accounts"), columns)


@account.command("create", help=_("Create an account; give it a key with `hikitsugi key create`."))
def create_account(
    session: Session,
    account: Annotated[str, typer.Argument(help=_("Name of the account."))],
    role: Annotated[str, typer.Option(help=_("operator, support or administrator."))],
    contract: Annotated[str, typer.Option(help=_("The operator's contract."))] = "",
    name: Annotated[str, typer.Option(help=_("Name of the person."))] = "",
) -> None:
    body = {"account": account, "role": role, "contract": contract or None, "name": name}
    session.api.send("POST", "/accounts", body)
    session.out.done({"account": account}, _("Account {account} exists now.", account=account))


@account.command("disable", help=_("Disable an account: none of its keys opens anything."))
def disable_account(session: Session, account: Annotated[str, typer.Argument(help=_("Name of the account."))]) -> None:
    session.api.send("PATCH", f"/accounts/{segment(account)}", {"disabled": True})
    session.out.done({"account": account}, _("Account {account} is disabled.", account=account))


@account.command("enable", help=_("Enable a disabled account again."))
def enable_account(session: Session, account: Annotated[str, typer.Argument(help=_("Name of the account."))]) -> None:
    session.api.send("PATCH", f"/accounts/{segment(account)}", {"disabled": False})
    session.out.done({"account": account}, _("Account {account} is enabled.", account=account))


@key.command("create", help=_("Make an access key for an account. It is shown only now."))
def create_key(
    session: Session,
    account: Annotated[str, typer.Argument(help=_("Name of the account."))],
    note: Note = "",
    out: Annotated[str, typer.Option(help=_("Write the key to this new file (mode 0600) instead of showing it."))] = "",
) -> None:
    secret = session.api.send("POST", f"/accounts/{segment(account)}/keys", {"note": note})["key"]
    if out:
        write_secret(out, secret)
        session.out.done({"key_file": out}, _("The key is in {file}.", file=out))
    else:
        session.out.done({"key": secret}, secret)


@key.command("ls", help=_("List access keys, without their secrets."))
def list_keys(session: Session, account: Annotated[str, typer.Option(help=_("Only of this account."))] = "") -> None:
    columns = (
        Column(_("key"), "key"),
        Column(_("account"), "account"),
        Column(_("note"), "note"),
        Column(_("created"), "created_at"),
        Column(_("revoked"), "revoked_at"),
    )
    session.out.table(session.api.pages("/keys", account=account or None), columns)


@key.command("revoke", help=_("Revoke an access key."))
def revoke_key(session: Session, key: Annotated[str, typer.Argument(help=_("Id of the key."))]) -> None:
    session.api.send("DELETE", f"/keys/{segment(key)}")
    session.out.done({"key": key}, _("Key {key} opens nothing any more.", key=key))


def write_secret(path: str, secret: str) -> None:
    """Write to a new file that only its owner reads. Raises CliError when it exists or cannot be made."""
    import os

    from controller.cli.failures import CliError, Exit

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CliError(
            _("The file {file} cannot be written: {reason}.", file=path, reason=error.strerror),
            Exit.INTERNAL,
            next_step=_("The key was made but is lost: revoke it (hikitsugi key ls) and make another one."),
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
