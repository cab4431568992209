"""What was ordered before the root of trust was established, and is not signed, ends with it (R4.1, R4.2)."""

from __future__ import annotations

from pathlib import Path

from controller.domain.why import parts
from tests.services.signed_firmware import Holders
from tests.services.updating import Updating


async def test_open_updates_to_what_becomes_unsigned_are_cancelled_with_the_reason(
    updating: Updating, tmp_path: Path
) -> None:
    """R4.2: in the same transaction; nobody waits for an image that is not handed out, and its target is put back."""
    await updating.release("3.50")
    (begun, _), (waits, _) = await updating.adapter(), await updating.adapter()
    updates = [await updating.order(begun, "3.50"), await updating.order(waits, "3.50")]

    await Holders.of(updating.registry, tmp_path).establish()

    for update in updates:
        assert (await updating.state(update))[0] == "cancelled"
        row = await updating.row("SELECT failure, why FROM firmware_update WHERE id = $1", update)
        (why,) = parts(row["why"])
        assert row["failure"] == "aborted" and "Order it again once it is signed" in str(why)
    assert await updating.target(begun) in (None, "3.40")
