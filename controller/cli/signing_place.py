"""Where the commands that sign find what is there to sign, and put what they have signed.

At a controller; or, where there is no network, in a folder that `firmware fetch` has filled: documents by the names
that clients ask for (7.seil8.json, …) and waiting.json, the releases that nothing signed names yet.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from controller.cli import keyfiles
from controller.cli.commands import Session, segment
from controller.cli.failures import CliError, Exit
from controller.cli.words import _

if TYPE_CHECKING:
    from firmware_repo.releases import Release

WAITING: Final = "waiting.json"


class Place(Protocol):
    """What both kinds can do. Roles: "root", "targets", a series' name."""

    def document(self, role: str) -> bytes:
        """The newest of the role. Raises CliError: there is none."""
        ...

    def waiting(self) -> list[Release]:
        """Imported, and named by nothing signed. Raises CliError."""
        ...

    def publish(self, files: Mapping[str, bytes]) -> tuple[Mapping[str, Any], str]:
        """Put signed documents where they belong, all or none. Raises CliError.

        Returns what became of it for programs (Any: JSON), and a sentence for people.
        """
        ...


def at(session: Session, folder: Path | None) -> Place:
    """The folder, or the session's controller."""
    return Folder(folder) if folder else Server(session)


class Server:
    """The controller of the session's profile."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def names(self) -> dict[str, str]:
        """Under which name the newest document of each role is, by role. Raises CliError: nothing is signed yet."""
        trust = self._session.api.get("/firmware/trust")
        if not trust["established_at"]:
            raise CliError(
                _("This controller has no root of trust yet; there is nothing to sign."),
                Exit.REFUSED,
                next_step=_("Begin with: hikitsugi firmware trust online-keys, then hikitsugi firmware ceremony"),
            )
        return {row["role"]: row["file"] for row in trust["roles"]}

    def document(self, role: str) -> bytes:
        if (name := self.names().get(role)) is None:
            raise _nothing(role)
        return b"".join(self._session.api.lines("GET", f"/firmware/metadata/{segment(name)}"))

    def waiting(self) -> list[Release]:
        return _releases(self._session.api.pages("/firmware/unsigned"))

    def publish(self, files: Mapping[str, bytes]) -> tuple[Mapping[str, Any], str]:
        encoded = {name: base64.b64encode(body).decode() for name, body in files.items()}
        done = self._session.api.send("POST", "/firmware/metadata", {"files": encoded})
        told = [_("Published: {files}", files=", ".join(files))]
        if done["signed"]:
            told.append(_("Offered from now on: {releases}", releases=", ".join(done["signed"])))
        if done["differing"]:
            differing = ", ".join(done["differing"])
            told.append(
                _("Signed with other facts than the catalogue has, and not offered: {releases}", releases=differing)
            )
        return done, "\n".join(told)


class Folder:
    """A folder on this machine's disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def document(self, role: str) -> bytes:
        versions = [
            int(file.name.split(".")[0])
            for file in self._path.glob(f"*.{role}.json")
            if file.name.removesuffix(f".{role}.json").isdigit()
        ]
        if not versions:
            raise _nothing(role)
        return keyfiles.read(self._path / f"{max(versions)}.{role}.json")

    def waiting(self) -> list[Release]:
        try:
            return _releases(json.loads((self._path / WAITING).read_bytes()))
        except (ValueError, OSError) as error:
            raise CliError(
                _("{file} is no list of releases.", file=self._path / WAITING),
                Exit.REFUSED,
                next_step=_("Fill the folder anew with: hikitsugi firmware fetch"),
            ) from error

    def publish(self, files: Mapping[str, bytes]) -> tuple[Mapping[str, Any], str]:
        for name, body in files.items():
            keyfiles.write(self._path / name, body)
        paths = " ".join(str(self._path / name) for name in files)
        return {"files": list(files)}, _(
            "Signed. Publish where there is a network: hikitsugi firmware trust publish {files}", files=paths
        )


def _releases(rows: Iterable[Mapping[str, Any]]) -> list[Release]:  # Any: JSON
    from firmware_repo.releases import Release

    with keyfiles.refusals():
        return [Release.from_facts(row) for row in rows]


def _nothing(role: str) -> CliError:
    return CliError(
        _("There is no metadata of {role}.", role=role),
        Exit.REFUSED,
        next_step=_("A new series gets its key with: hikitsugi firmware delegate"),
    )
