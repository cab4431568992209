"""A route as data: the one place that says what exists, who may call it, and what goes in and out."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from controller.domain.access import Role
from controller.faces.http.signature import Signature, inspect_handler

MIB: Final = 1024 * 1024
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
SAFE: Final = frozenset({"GET"})


class Public(Enum):
    """Says on purpose that a route needs no access key."""

    PUBLIC = "public"


PUBLIC: Final = Public.PUBLIC

Handler = Callable[..., Awaitable[Any]]  # Any: each handler has its own signature; signature.py checks it


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path.

    path: below the application's prefix, variables as {name}, each one a `Path()` parameter of the handler.
    roles: who may call it, or PUBLIC. There is no default: a route that forgot it cannot be made.
    status: of success; None = 204 for a handler that returns None, else 200.
    deadline_s: seconds for body, handler and rows; a Stream's later chunks are not counted.
    body_limit: bytes. patience_s: seconds that a client may pause while it sends its body.
    description: the handler's docstring unless given.
    Raises TypeError or ValueError for a declaration that makes no sense.
    """

    method: str
    path: str
    handler: Handler
    roles: Collection[Role] | Public = field(kw_only=True)
    summary: str = field(kw_only=True)
    tags: tuple[str, ...] = field(kw_only=True, default=())
    status: int | None = field(kw_only=True, default=None)
    deadline_s: float = field(kw_only=True, default=30.0)
    body_limit: int = field(kw_only=True, default=MIB)
    patience_s: float = field(kw_only=True, default=20.0)
    description: str = field(kw_only=True, default="")
    signature: Signature = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check()
        fill = object.__setattr__
        fill(self, "roles", self.roles if self.roles is PUBLIC else frozenset(self.roles))
        fill(self, "description", self.description or (self.handler.__doc__ or "").strip())
        fill(self, "signature", inspect_handler(self.handler))
        if set(re.findall(r"{(\w+)}", self.path)) != set(self.signature.path.by_wire):
            raise TypeError(f"{self}: variables of the path and Path() parameters of the handler differ")
        if self.method in SAFE and self.signature.body:
            raise TypeError(f"{self}: a {self.method} has no body")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def name(self) -> str:
        """Operation id: the handler's name."""
        return self.handler.__name__

    @property
    def success(self) -> int:
        """Status of success."""
        return self.status or (200 if self.signature.returns or self.signature.streams else 204)

    @property
    def writes(self) -> bool:
        return self.method not in SAFE

    def _check(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"{self}: method must be one of {', '.join(sorted(METHODS))}")
        if not self.path.startswith("/") or self.path.endswith("/"):
            raise ValueError(f"{self}: path starts with a slash and does not end with one")
        if self.roles is not PUBLIC and not (self.roles and all(isinstance(role, Role) for role in self.roles)):
            raise ValueError(f"{self}: name the roles that may call it, or PUBLIC")
        if not self.summary:
            raise ValueError(f"{self}: needs a summary for the API document")
