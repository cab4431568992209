"""A release as signed metadata names it: where it is, what it must be, and which adapters may take it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from firmware_repo.errors import WrongMetadata, said

SERIES: Final = re.compile(r"[a-z][a-z0-9]{0,15}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 1 << 40
_MANY: Final = 200


@dataclass(frozen=True, slots=True)
class Release:
    """One image. sha256: 64 lower-case hexadecimal digits; size: bytes.

    models, hardware_revisions: () = any; hardware_lowest: '' = any; from_lowest: the lowest version that it can be
    installed over, None = any; released_at: the vendor's release, ISO 8601 with zone, None = not known. All of it is
    signed, so that a registry that errs cannot make an adapter take an image that is not for it.
    """

    series: str
    version: str
    sha256: str
    size: int
    code_name: str = ""
    models: tuple[str, ...] = ()
    hardware_revisions: tuple[str, ...] = ()
    hardware_lowest: str = ""
    from_lowest: str | None = None
    released_at: str | None = None

    def __post_init__(self) -> None:
        texts = (self.code_name, self.hardware_lowest, self.from_lowest or "", self.released_at or "")
        lists = (self.models, self.hardware_revisions)
        if not (_is(SERIES, self.series) and _is(_VERSION, self.version)):
            raise WrongMetadata(said("{release} names no release, as seil8 3.42 would.", release=self._called))
        if not (isinstance(self.sha256, str) and _SHA256.fullmatch(self.sha256)):
            raise WrongMetadata(
                said("{release} needs a sha256 of 64 lower-case hexadecimal digits.", release=self._called)
            )
        if type(self.size) is not int or not 0 < self.size <= _LARGEST:
            raise WrongMetadata(said("{release} needs its size in bytes.", release=self._called))
        if not all(isinstance(text, str) and len(text) <= _MANY for text in texts):
            raise WrongMetadata(
                said("{release} has a field that is no text, or a very long one.", release=self._called)
            )
        if not all(isinstance(of, tuple) and len(of) <= _MANY and all(map(_short, of)) for of in lists):
            raise WrongMetadata(
                said("{release} has models or revisions that are no list of names.", release=self._called)
            )

    @property
    def _called(self) -> str:
        return f"{self.series!s:.40} {self.version!s:.40}"

    @property
    def path(self) -> str:
        """Its target path: "seil8/3.42.img"."""
        return f"{self.series}/{self.version}.img"

    def custom(self) -> dict[str, object]:
        """What is signed beside length and sha256."""
        return {
            "code_name": self.code_name,
            "models": list(self.models),
            "hardware_revisions": list(self.hardware_revisions),
            "hardware_lowest": self.hardware_lowest,
            "from_lowest": self.from_lowest,
            "released_at": self.released_at,
        }

    @classmethod
    def from_target(cls, path: str, *, size: int, hashes: Mapping[str, str], custom: Any) -> Self:
        """Read what metadata says of a path. Raises WrongMetadata. Any: it is JSON that somebody signed."""
        series, slash, file = path.partition("/")
        if not slash or not file.endswith(".img") or not isinstance(custom, dict) or set(hashes) != {"sha256"}:
            raise WrongMetadata(
                said("{path} is no release: SERIES/VERSION.img with sha256 and custom is wanted.", path=path[:80])
            )
        return cls.from_facts(
            {**custom, "series": series, "version": file[:-4], "sha256": hashes["sha256"], "size": size}
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Of JSON members named as the fields are; others are left out. Raises WrongMetadata."""
        try:
            return cls(
                **{name: facts[name] for name in ("series", "version", "sha256", "size")},
                code_name=facts.get("code_name") or "",
                models=_names(facts.get("models")),
                hardware_revisions=_names(facts.get("hardware_revisions")),
                hardware_lowest=facts.get("hardware_lowest") or "",
                from_lowest=facts.get("from_lowest"),
                released_at=facts.get("released_at"),
            )
        except (KeyError, TypeError) as error:
            raise WrongMetadata(
                said("This describes no release: {what} is missing or of a wrong type.", what=str(error)[:80])
            ) from error


def _names(value: object) -> tuple[Any, ...]:  # Any: __post_init__ looks at each
    if value is not None and not isinstance(value, list | tuple):
        raise TypeError("a list")
    return tuple(value or ())


def _is(form: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and form.fullmatch(text) is not None


def _short(text: object) -> bool:
    return isinstance(text, str) and len(text) <= _MANY
