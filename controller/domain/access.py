"""Who is calling and what they may touch. Roles are checked by the route's declaration, ownership here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.domain.errors import NotFound


class Role(StrEnum):
    """device is a role of its own: it authenticates by its ARMS keys and reaches only the device face.

    controller: what the clock does by rule, and nobody who could log in.
    """

    OPERATOR = "operator"
    SUPPORT = "support"
    ADMINISTRATOR = "administrator"
    DEVICE = "device"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated account. contract: the operator's own, None for the other roles. source: its address."""

    account: str
    role: Role
    contract: str | None
    key_id: str
    source: str = ""

    def sees(self, contract: str) -> bool:
        """True when what belongs to the contract may be shown to the caller."""
        return self.contract is None or self.contract == contract

    def within(self, contract: str | None) -> str | None:
        """What to look for when rows of this contract are asked for: those, or with None all that the caller may see.

        "", which no contract is called, for a contract that is not the caller's: of that there is nothing to see.
        """
        if contract is None:
            return self.contract
        return contract if self.sees(contract) else ""


CONTROLLER = Caller("controller", Role.CONTROLLER, None, "")
"""Who acts when it is time and nobody asked: in the audit trail and in journals."""


def require_contract(caller: Caller, contract: str, what: str, name: str) -> None:
    """Raise NotFound when `what` of the contract is not the caller's: to others it does not exist."""
    if not caller.sees(contract):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what=what, name=name)
