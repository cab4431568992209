"""Is an image still what the catalogue and the signed metadata say of it? One release at a time, read whole."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial

from controller.domain.access import Caller
from controller.domain.firmware_release import State
from controller.domain.sentence import Sentence, sentence
from controller.services import firmware_damage
from controller.services.firmware_offering import judge
from controller.services.firmware_words import translatable
from controller.store import firmware_metadata
from controller.store.pool import Database, Row
from firmware_repo.errors import Damaged, RepositoryError
from firmware_repo.images import Images


async def problems(db: Database, blobs: Images, row: Row, *, caller: Caller, now: datetime) -> list[Sentence]:
    """Everything that is wrong with a release. row: of store/firmware.one.

    A damaged image is offered no more from here on; one that is whole is offered again (firmware_damage.py).
    """
    try:
        read = await asyncio.to_thread(partial(_of_content, blobs, row))
    except Damaged as damage:
        await firmware_damage.found(db, row["sha256"], damage.detail, caller=caller, now=now)
        read = [sentence("{why}", why=translatable(damage.detail))]
    except RepositoryError as error:
        read = [sentence("{why}", why=translatable(error.detail))]
    else:
        await firmware_damage.whole(db, row["sha256"], caller=caller, now=now)
    async with db.connection() as connection:
        trusted = await firmware_metadata.trust(connection)
        document = await firmware_metadata.one(connection, row["series"], None)
    if trusted is None:
        return read
    return [*read, *await asyncio.to_thread(partial(_of_signature, row, document["body"] if document else None))]


def _of_content(blobs: Images, row: Row) -> list[Sentence]:
    blob = blobs.verify(row["sha256"])
    if blob.size == row["size"]:
        return []
    return [
        sentence(
            "The image has {found} bytes, the catalogue says {size}. Import the image again.",
            found=blob.size,
            size=row["size"],
        )
    ]


def _of_signature(row: Row, document: bytes | None) -> list[Sentence]:
    """What the newest document of its series says of it; whether that is believed is the trust's own check."""
    from firmware_repo import documents  # here: the TUF library takes its time, and only this question needs it

    try:
        named = {each.path: each for each in documents.releases(document, row["series"])} if document else {}
    except RepositoryError as error:
        return [sentence("{why}", why=translatable(error.detail))]
    judged = judge([row], named)
    told = {"series": row["series"], "version": row["version"]}
    if judged.differing:
        return [sentence("Signed metadata names it with another {what}. Sign it anew.", what=judged.differing[0][2])]
    if judged.unsigned:
        return [sentence("No signed metadata names it. Sign it: hikitsugi firmware sign --series {series}.", **told)]
    if row["state"] == State.WITHDRAWN and f"{row['series']}/{row['version']}.img" in named:
        return [
            sentence(
                "It is withdrawn, and signed metadata names it still. Take it out: hikitsugi firmware unsign {series}"
                " {version}.",
                **told,
            )
        ]
    return []
