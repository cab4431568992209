"""What can be wrong with an image or its store. Each error carries `detail`: a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping


class Said(str):
    """An English sentence that knows how it was put together, so that a program can say it in another language.

    template: with {names}, the key of its translation; params: what went in, maybe Said in turn.
    """

    __slots__ = ("params", "template")

    template: str
    params: Mapping[str, object]


def said(template: str, /, **params: object) -> Said:
    """The template with its parameters put in."""
    made = Said(template.format(**params))
    made.template, made.params = template, params
    return made


class RepositoryError(Exception):
    """The repository cannot do what was asked. `detail` is for a person; nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoSuchBlob(RepositoryError):
    """Nothing with this sha256 is stored."""


class WrongContent(RepositoryError):
    """What came in has another size or sha256 than was announced."""


class WrongImage(RepositoryError):
    """The image's own header contradicts what the importer was told, or it has no readable header."""


class StoreFull(RepositoryError):
    """The disk, the quota or the file size limit has no room for the image."""


class Damaged(RepositoryError):
    """A stored blob is no longer what was stored: cut, grown, unreadable or changed. Importing it again heals it."""


class Unavailable(RepositoryError):
    """The image cannot be had or kept now: its bucket does not answer, refuses us, or is still being read."""


class WrongKey(RepositoryError):
    """A key file that cannot be opened, a public key that is none, or a key that has another role already."""


class WrongMetadata(RepositoryError):
    """Metadata that cannot be made or signed as asked."""


class Untrusted(RepositoryError):
    """Signed metadata that must not be believed. `role`: whose file is wrong; `detail` says what, and what to do."""

    def __init__(self, role: str, detail: str) -> None:
        super().__init__(said("{role}: {detail}", role=role, detail=detail))
        self.role = role
