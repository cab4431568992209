"""Contracts, accounts, access keys, and who am I."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.access import Role
from controller.domain.policy import CommandClass
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route
from controller.faces.http.payload import Answer, Payload
from controller.services import access
from controller.store import accounts
from controller.store.pool import Row

Number = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
AccountName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]


class WhoAmI(Answer):
    """The account behind the access key that came with the request."""

    account: str
    role: Role
    contract: str | None
    key: str


async def who_am_i(call: Call) -> WhoAmI:
    caller = call.caller
    return WhoAmI(account=caller.account, role=caller.role, contract=caller.contract, key=caller.key_id)


class NewContract(Payload):
    contract: Number
    """The provider's contract number."""
    name: Annotated[str, Field(max_length=200)] = ""


class Contract(Answer):
    contract: str
    name: str
    created_at: datetime
    entries: int
    standbys: int
    command_classes: list[str]
    """What its operators may run."""
    tasks_at_once: int | None
    """How many of its adapters may be busy with tasks at once; null: the controller's setting."""
    delivery_address: str
    """Where replacements go unless a case names another place (R3.5)."""
    ultra_send_back: bool
    """The option that on-site exchange needs (R3.15)."""


async def list_contracts(call: Call, paging: Paging[str], context: Context) -> Page[Contract]:
    rows = await accounts.contracts(context.db, contract=call.caller.contract, after=paging.after, limit=paging.rows)
    return Page[Contract].of(rows, paging, lambda row: row["contract"], lambda row: Contract(**row))


async def create_contract(call: Call, body: NewContract, context: Context) -> None:
    await accounts.create_contract(context.db, body.contract, body.name, caller=call.caller, now=context.clock())


class ContractPolicy(Payload):
    command_classes: Annotated[list[CommandClass], Field(max_length=len(CommandClass))]
    """What its operators may run; none: nothing."""
    tasks_at_once: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """How many of its adapters may be busy with tasks at once; null: the controller's setting."""


async def set_contract_policy(
    call: Call, contract: Annotated[str, Path("number of the contract")], body: ContractPolicy, context: Context
) -> None:
    """What the contract allows. Support staff are not bound by it but by R2.3."""
    classes = [kind for kind in CommandClass if kind in body.command_classes]
    await accounts.set_policy(
        context.db, contract, classes, body.tasks_at_once, caller=call.caller, now=context.clock()
    )


class ContractMaintenance(Payload):
    delivery_address: Annotated[str, Field(max_length=500)]
    """Where replacements go unless a case names another place (R3.5); "": each case has to name one."""
    ultra_send_back: bool
    """The option that on-site exchange needs (R3.15)."""


async def set_contract_maintenance(
    call: Call, contract: Annotated[str, Path("number of the contract")], body: ContractMaintenance, context: Context
) -> None:
    """What exchanges of its adapters go by. Those that are under way are not changed."""
    await accounts.set_maintenance(
        context.db,
        contract,
        body.delivery_address.strip(),
        body.ultra_send_back,
        caller=call.caller,
        now=context.clock(),
    )


class NewAccount(Payload):
    account: AccountName
    role: Literal[Role.OPERATOR, Role.SUPPORT, Role.ADMINISTRATOR]
    contract: Number | None = None
    """Only for operators: the one contract they operate."""
    name: Annotated[str, Field(max_length=200)] = ""


class Account(Answer):
    account: str
    role: Role
    contract: str | None
    name: str
    created_at: datetime
    disabled_at: datetime | None
    keys: int
    """Access keys that are not revoked."""


class AccountChange(Payload):
    disabled: bool
    """While it is disabled, none of the account's keys opens anything."""


async def list_accounts(paging: Paging[str], context: Context) -> Page[Account]:
    rows = await accounts.accounts(context.db, after=paging.after, limit=paging.rows)
    return Page[Account].of(rows, paging, lambda row: row["account"], lambda row: Account(**row))


async def create_account(call: Call, body: NewAccount, context: Context) -> None:
    await access.create_account(
        context.db, body.account, body.role, body.contract, body.name, caller=call.caller, now=context.clock()
    )


async def change_account(
    call: Call, account: Annotated[str, Path("name of the account")], body: AccountChange, context: Context
) -> None:
    await accounts.set_disabled(context.db, account, body.disabled, caller=call.caller, now=context.clock())


class NewKey(Payload):
    note: Annotated[str, Field(max_length=200)] = ""
    """What the key is for."""


class IssuedKey(Answer):
    key: str
    """`<id>.<secret>`: shown this once, for `Authorization: Bearer`."""


class Key(Answer):
    key: str
    account: str
    note: str
    created_at: datetime
    revoked_at: datetime | None


async def issue_key(
    call: Call, account: Annotated[str, Path("name of the account")], body: NewKey, context: Context
) -> IssuedKey:
    return IssuedKey(
        key=await access.issue_key(context.db, account, body.note, caller=call.caller, now=context.clock())
    )


async def list_keys(
    paging: Paging[str], context: Context, account: Annotated[str | None, Query("only of this account")] = None
) -> Page[Key]:
    rows = await accounts.keys(context.db, account=account, after=paging.after, limit=paging.rows)
    return Page[Key].of(rows, paging, lambda row: row["access_key"], _key)


def _key(row: Row) -> Key:
    return Key(
        key=row["access_key"],
        account=row["account"],
        note=row["note"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )


async def revoke_key(call: Call, key: Annotated[str, Path("id of the key")], context: Context) -> None:
    await accounts.revoke_key(context.db, key, caller=call.caller, now=context.clock())


ROUTES = (
    Route("GET", "/whoami", who_am_i, roles=PEOPLE, summary="The account behind this key", tags=("accounts",)),
    Route("GET", "/contracts", list_contracts, roles=PEOPLE, summary="Contracts", tags=("accounts",)),
    Route("POST", "/contracts", create_contract, roles=ADMINISTRATOR, summary="Create a contract", tags=("accounts",)),
    Route(
        "PUT",
        "/contracts/{contract}/policy",
        set_contract_policy,
        roles=ADMINISTRATOR,
        summary="What its operators may run",
        tags=("accounts",),
    ),
    Route(
        "PUT",
        "/contracts/{contract}/maintenance",
        set_contract_maintenance,
        roles=ADMINISTRATOR,
        summary="Its delivery address and options of maintenance",
        tags=("accounts",),
    ),
    Route("GET", "/accounts", list_accounts, roles=ADMINISTRATOR, summary="Accounts", tags=("accounts",)),
    Route("POST", "/accounts", create_account, roles=ADMINISTRATOR, summary="Create an account", tags=("accounts",)),
    Route(
        "PATCH",
        "/accounts/{account}",
        change_account,
        roles=ADMINISTRATOR,
        summary="Disable or enable an account",
        tags=("accounts",),
    ),
    Route(
        "POST",
        "/accounts/{account}/keys",
        issue_key,
        roles=ADMINISTRATOR,
        summary="Issue an access key",
        tags=("accounts",),
        status=201,
    ),
    Route("GET", "/keys", list_keys, roles=ADMINISTRATOR, summary="Access keys", tags=("accounts",)),
    Route("DELETE", "/keys/{key}", revoke_key, roles=ADMINISTRATOR, summary="Revoke an access key", tags=("accounts",)),
)
