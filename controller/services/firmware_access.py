"""May this adapter fetch this image now? Asked before each answer, and once a second while a body goes out.

Yes when it shows the key of its present registration and the image is the one that it is to run next: its code's
target, the step on the way there, or for a warm spare the newest (firmware_offer.py). Whatever changes that ends it in
the same second: another target, a cancelled update, a withdrawal (R4.3), a lock or an exchange (R3.7).
"""

from __future__ import annotations

from controller.services import check_in
from controller.services.firmware_offer import offer
from controller.store import firmware as catalogue
from controller.store.firmware_downloads import Fetcher
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets
from firmware_repo.hooks import ImageRef
from protocol.arms.codes import ResultCode
from protocol.ids import DistributionId


async def may_fetch(
    db: Database, vault: Secrets, distribution_id: DistributionId, key: str, image: ImageRef
) -> Fetcher | ResultCode:
    """Who fetches, or why not: 403 unknown, wrong key or of no code; 501 locked out or replaced (R3.7); 404 it is to
    stand by; 416 the image is not the one that it is to run.
    """
    row = await check_in.let_in(db, vault, distribution_id, key)
    if isinstance(row, ResultCode):
        return row
    if check_in.stands_by(row):
        return ResultCode.SA_STAND_BY
    wanted = await offer(db, row)
    if (row["series"], wanted.version, wanted.sha256) != (image.series, image.version, image.sha256):
        return ResultCode.SYSTEM_MISMATCH
    return _fetcher(row, image, await _size(db, row, image))


async def _size(db: Database, row: Row, image: ImageRef) -> int:
    if row["target_sha256"] == image.sha256:
        return int(row["target_size"])
    release = await catalogue.one(db, image.series, image.version)
    assert release is not None  # it was offered just now, and releases stay
    return int(release["size"])


def _fetcher(row: Row, image: ImageRef, size: int) -> Fetcher:
    return Fetcher(row["serial"], row["code"], row["contract"], image.series, image.version, image.sha256, size)
