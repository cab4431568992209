"""What opens the adapters' SSH: who is logged in to with what, credentials of adapters and contracts, jump hosts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.access import Caller, require_contract
from controller.domain.credential import HOST_KEY, MAX_PASSWORD, MAX_PRIVATE_KEY, USERNAME, Credential
from controller.domain.errors import NotFound
from controller.faces.api.adapters import Serial
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context, own_adapter
from controller.faces.http import Accepts, Call, Page, Paging, Path, Query, Route, Upload
from controller.faces.http.payload import Answer, Payload
from controller.services import rotation
from controller.store import credentials, jump_hosts, logins
from controller.store.credentials import Change, Scope
from controller.store.pool import Row

IMPORT_LIMIT = 64 << 20
IMPORT_DEADLINE_S = 300.0

Contract = Annotated[str, Path("the contract's number")]
Reason = Annotated[str, Field(max_length=500)]
Why = Annotated[str, Query("why; kept in the audit trail")]
State = Literal["inventory", "logged-in", "refused", "not-tried"]


class AdapterLogin(Answer):
    """How one adapter is logged in to now. Secrets are never shown."""

    serial: str
    code: str | None
    contract: str | None
    source: Literal["adapter", "contract", "inventory"]
    """Whose credential it is: the adapter's own, else its contract's, else what the inventory says."""
    username: str
    has_password: bool
    key_fingerprint: str | None
    """SHA256:… of the key's public half, as `ssh-keygen -l` prints it."""
    state: State
    """logged-in: it has opened the adapter. refused: the adapter still wants an earlier one. not-tried: no run has told
    yet. inventory: nothing but the inventory's login was ever given."""
    opened_at: datetime | None
    """When a credential first let us in: this one when the state is logged-in, else an earlier one."""
    refused_at: datetime | None
    has_earlier: bool
    """An earlier one is tried second."""
    jump_host: str | None
    """The address of the SSH host on the way; null: straight."""
    set_at: datetime | None
    account: str | None
    reason: str | None


class LoginCounts(Answer):
    """How many adapters are in which state."""

    inventory: int
    logged_in: int
    refused: int
    not_tried: int


class NewCredential(Payload):
    username: Annotated[str, Field(pattern=USERNAME)]
    password: Annotated[str, Field(max_length=MAX_PASSWORD)] = ""
    private_key: Annotated[str, Field(max_length=MAX_PRIVATE_KEY)] = ""
    """In OpenSSH's form, without a passphrase; offered before the password."""
    reason: Reason = ""
    alone: bool = False
    """Earlier ones are not tried any more and deleted at once: for one that others have got hold of."""


class Rotation(Answer):
    rows: int
    """Credentials given."""
    changed: int
    """Those that are not the current ones already."""
    dry_run: bool


DryRun = Annotated[bool, Query("only say what would change")]


def _login(row: Row) -> AdapterLogin:
    return AdapterLogin.from_row(row, jump_host=row["jump_address"])


async def list_logins(
    call: Call,
    paging: Paging[str],
    context: Context,
    contract: Annotated[str | None, Query("only adapters on this contract's codes")] = None,
    state: Annotated[State | None, Query("only those in this state")] = None,
) -> Page[AdapterLogin]:
    """After a rotation: which adapters have since been logged in to with the new one, and which not."""
    rows = await logins.page(
        context.db, contract=call.caller.within(contract), state=state, after=paging.after, limit=paging.rows
    )
    return Page[AdapterLogin].of(rows, paging, lambda row: row["serial"], _login)


async def count_logins(
    call: Call, context: Context, contract: Annotated[str | None, Query("only this contract's")] = None
) -> LoginCounts:
    counts = await logins.counts(context.db, call.caller.within(contract))
    return LoginCounts(
        inventory=counts.get("inventory", 0),
        logged_in=counts.get("logged-in", 0),
        refused=counts.get("refused", 0),
        not_tried=counts.get("not-tried", 0),
    )


async def show_login(call: Call, serial: Serial, context: Context) -> AdapterLogin:
    await own_adapter(context, call.caller, serial)
    row = await logins.of(context.db, serial)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="adapter", name=serial)
    return _login(row)


async def set_of_adapter(
    call: Call, serial: Serial, body: NewCredential, context: Context, dry_run: DryRun = False
) -> Rotation:
    """It is tried first from now on; the one before it second, until this one has worked. Adapters are not changed."""
    return await _set(context, call.caller, Scope(adapter=serial), body, dry_run)


async def set_of_contract(
    call: Call, contract: Contract, body: NewCredential, context: Context, dry_run: DryRun = False
) -> Rotation:
    """For all adapters on the contract's codes that have none of their own; otherwise as for one adapter."""
    return await _set(context, call.caller, Scope(contract=contract), body, dry_run)


async def _set(context: Context, caller: Caller, scope: Scope, body: NewCredential, dry_run: bool) -> Rotation:
    change = Change(body.reason, caller, context.clock(), alone=body.alone)
    credential = Credential.of(body.username, body.password, body.private_key)
    done = await rotation.put(context.db, context.vault, scope, credential, change, dry_run=dry_run)
    return Rotation(rows=done.rows, changed=done.changed, dry_run=dry_run)


async def import_credentials(
    call: Call,
    body: Annotated[Upload, Accepts("text/csv")],
    context: Context,
    dry_run: DryRun = False,
    alone: Annotated[bool, Query("earlier ones are not tried any more")] = False,
    reason: Why = "",
) -> Rotation:
    """One credential an adapter, columns serial, username, password, private_key: all or nothing. An empty username
    means the one in use now. Imported twice, the second time changes nothing."""
    change = Change(reason[:500], call.caller, context.clock(), alone=alone)
    done = await rotation.import_file(context.db, context.vault, body.file, change, dry_run=dry_run)
    return Rotation(rows=done.rows, changed=done.changed, dry_run=dry_run)


class Withdrawn(Answer):
    earlier: bool
    """The one before it is current again; false: the contract's or the inventory's is used now."""


async def withdraw_of_adapter(call: Call, serial: Serial, context: Context, reason: Why = "") -> Withdrawn:
    """Adapters that it has opened already are still tried with it, second."""
    return Withdrawn(earlier=await credentials.withdraw(context.db, Scope(adapter=serial), _why(call, context, reason)))


async def withdraw_of_contract(call: Call, contract: Contract, context: Context, reason: Why = "") -> Withdrawn:
    """Adapters that it has opened already are still tried with it, second."""
    done = await credentials.withdraw(context.db, Scope(contract=contract), _why(call, context, reason))
    return Withdrawn(earlier=done)


async def forget_of_adapter(call: Call, serial: Serial, context: Context, reason: Why = "") -> None:
    """Only the current one is tried from now on."""
    await credentials.forget_earlier(context.db, Scope(adapter=serial), _why(call, context, reason))


async def forget_of_contract(call: Call, contract: Contract, context: Context, reason: Why = "") -> None:
    """Only the current one is tried from now on."""
    await credentials.forget_earlier(context.db, Scope(contract=contract), _why(call, context, reason))


def _why(call: Call, context: Context, reason: str) -> Change:
    return Change(reason[:500], call.caller, context.clock())


class JumpHost(Answer):
    contract: str
    address: str
    port: int
    username: str
    has_password: bool
    key_fingerprint: str
    host_key: str
    account: str
    set_at: datetime


class NewJumpHost(Payload):
    address: Annotated[str, Field(max_length=45)]
    """Numeric: nothing here asks the DNS."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    username: Annotated[str, Field(pattern=USERNAME)]
    password: Annotated[str, Field(max_length=MAX_PASSWORD)] = ""
    private_key: Annotated[str, Field(max_length=MAX_PRIVATE_KEY)] = ""
    host_key: Annotated[str, Field(pattern=HOST_KEY)]
    """Its public key, pinned: without it nobody is connected to."""


async def show_jump_host(call: Call, contract: Contract, context: Context) -> JumpHost:
    require_contract(call.caller, contract, "contract", contract)
    row = await jump_hosts.of(context.db, contract)
    if row is None:
        raise NotFound(
            "Contract {contract} has no jump host.",
            next_step="Its adapters are connected to straight; hikitsugi jump-host set gives it one.",
            contract=contract,
        )
    return JumpHost.from_row(row)


async def set_jump_host(call: Call, contract: Contract, body: NewJumpHost, context: Context) -> None:
    """New sessions to the contract's adapters go through it (ProxyJump)."""
    login = Credential.of(body.username, body.password, body.private_key)
    jump = rotation.JumpHost(body.address, body.port, login, body.host_key)
    await rotation.set_jump_host(context.db, context.vault, contract, jump, _why(call, context, ""))


async def remove_jump_host(call: Call, contract: Contract, context: Context) -> None:
    """Its adapters are connected to straight again."""
    await jump_hosts.remove(context.db, contract, caller=call.caller, now=context.clock())


_TAGS = ("credentials",)
_ADAPTER, _CONTRACT = "/adapters/{serial}/credential", "/contracts/{contract}/credential"
_JUMP = "/contracts/{contract}/jump-host"

ROUTES = (
    Route("GET", "/credentials", list_logins, roles=PEOPLE, summary="Who is logged in to with what", tags=_TAGS),
    Route("GET", "/credentials/counts", count_logins, roles=PEOPLE, summary="How far a rotation is", tags=_TAGS),
    Route(
        "POST",
        "/credentials/import",
        import_credentials,
        roles=ADMINISTRATOR,
        summary="Set the credentials of many adapters",
        tags=_TAGS,
        body_limit=IMPORT_LIMIT,
        deadline_s=IMPORT_DEADLINE_S,
    ),
    Route("GET", _ADAPTER, show_login, roles=PEOPLE, summary="How one adapter is logged in to", tags=_TAGS),
    Route("PUT", _ADAPTER, set_of_adapter, roles=ADMINISTRATOR, summary="Set an adapter's credential", tags=_TAGS),
    Route("DELETE", _ADAPTER, withdraw_of_adapter, roles=ADMINISTRATOR, summary="Take it back", tags=_TAGS),
    Route(
        "DELETE",
        f"{_ADAPTER}/earlier",
        forget_of_adapter,
        roles=ADMINISTRATOR,
        summary="Forget earlier ones",
        tags=_TAGS,
    ),
    Route("PUT", _CONTRACT, set_of_contract, roles=ADMINISTRATOR, summary="Set a contract's credential", tags=_TAGS),
    Route("DELETE", _CONTRACT, withdraw_of_contract, roles=ADMINISTRATOR, summary="Take it back", tags=_TAGS),
    Route(
        "DELETE",
        f"{_CONTRACT}/earlier",
        forget_of_contract,
        roles=ADMINISTRATOR,
        summary="Forget earlier ones",
        tags=_TAGS,
    ),
    Route("GET", _JUMP, show_jump_host, roles=PEOPLE, summary="The SSH host on the way", tags=_TAGS),
    Route("PUT", _JUMP, set_jump_host, roles=ADMINISTRATOR, summary="Set the SSH host on the way", tags=_TAGS),
    Route("DELETE", _JUMP, remove_jump_host, roles=ADMINISTRATOR, summary="Connect straight again", tags=_TAGS),
)
