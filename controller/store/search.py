"""Search by how a name begins or ends: serials, distribution ids, codes and their names, contracts and theirs.

Every part is a stretch of an index of migration 0024, so a million adapters are searched in the time of ten thousand;
why not by any part of a name: docs/decisions/search-by-beginning-and-end.md.
"""

from __future__ import annotations

import re
from uuid import UUID

from controller.store.plans import by_index
from controller.store.pool import Database, Row

ENDS_FROM = 3
"""Characters from which a word may be the end of a name; a shorter one is the end of too many."""
LOOKED_THROUGH = 1000
"""An operator's ends are looked for among all contracts': so many are looked through at most."""
_LAST = "\U0010ffff"

# name: what was found; matched: by which of its words; ends: it was not at its beginning.
_EVERYWHERE = """
    (SELECT 'adapter' AS kind, serial AS name, 'serial' AS matched, false AS ends FROM adapter
     WHERE lower(serial) COLLATE "C" >= $1 AND lower(serial) COLLATE "C" < $2 ORDER BY lower(serial) COLLATE "C"
     LIMIT {limit})
    UNION ALL
    (SELECT 'adapter', serial, 'serial', true FROM adapter
     WHERE reverse(lower(serial)) COLLATE "C" >= $3 AND reverse(lower(serial)) COLLATE "C" < $4
     ORDER BY reverse(lower(serial)) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'adapter', serial, 'distribution id', false FROM adapter
     WHERE distribution_id >= $5 AND distribution_id <= $6 ORDER BY distribution_id LIMIT {limit})
    UNION ALL
    (SELECT 'code', code, 'code', false FROM code
     WHERE lower(code) COLLATE "C" >= $1 AND lower(code) COLLATE "C" < $2
     ORDER BY lower(code) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'code', code, 'code', true FROM code
     WHERE reverse(lower(code)) COLLATE "C" >= $3 AND reverse(lower(code)) COLLATE "C" < $4
     ORDER BY reverse(lower(code)) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'code', code, 'name', false FROM code
     WHERE name <> '' AND lower(name) COLLATE "C" >= $1 AND lower(name) COLLATE "C" < $2
     ORDER BY lower(name) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'contract', contract, 'contract', false FROM contract
     WHERE lower(contract) COLLATE "C" >= $1 AND lower(contract) COLLATE "C" < $2
     ORDER BY lower(contract) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'contract', contract, 'name', false FROM contract
     WHERE name <> '' AND lower(name) COLLATE "C" >= $1 AND lower(name) COLLATE "C" < $2
     ORDER BY lower(name) COLLATE "C" LIMIT {limit})"""

# $7: the contract. Its serials are in an index as they are written: $8 to $9 as the word was typed, $10 to $11 in
# capitals. The contract is an end of each stretch and no equality, see plans.py.
_IN_CONTRACT = """
    (SELECT 'adapter' AS kind, adapter AS name, 'serial' AS matched, false AS ends FROM registration
     WHERE (contract, adapter COLLATE "C") >= ($7, $8) AND (contract, adapter COLLATE "C") < ($7, $9)
     ORDER BY contract, adapter COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'adapter', adapter, 'serial', false FROM registration
     WHERE (contract, adapter COLLATE "C") >= ($7, $10) AND (contract, adapter COLLATE "C") < ($7, $11)
     ORDER BY contract, adapter COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'adapter', a.serial, 'serial', true
     FROM (SELECT serial FROM adapter
           WHERE reverse(lower(serial)) COLLATE "C" >= $3 AND reverse(lower(serial)) COLLATE "C" < $4
           ORDER BY reverse(lower(serial)) COLLATE "C" LIMIT {looked_through}) a
     WHERE (SELECT r.contract FROM registration r WHERE r.adapter = a.serial) = $7 LIMIT {limit})
    UNION ALL
    (SELECT 'adapter', a.serial, 'distribution id', false
     FROM (SELECT serial FROM adapter WHERE distribution_id >= $5 AND distribution_id <= $6
           ORDER BY distribution_id LIMIT {looked_through}) a
     WHERE (SELECT r.contract FROM registration r WHERE r.adapter = a.serial) = $7 LIMIT {limit})
    UNION ALL
    (SELECT 'code', code, 'code', false FROM code
     WHERE (contract, lower(code) COLLATE "C") >= ($7, $1) AND (contract, lower(code) COLLATE "C") < ($7, $2)
     ORDER BY contract, lower(code) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'code', c.code, 'code', true
     FROM (SELECT code, contract FROM code
           WHERE reverse(lower(code)) COLLATE "C" >= $3 AND reverse(lower(code)) COLLATE "C" < $4
           ORDER BY reverse(lower(code)) COLLATE "C" LIMIT {looked_through}) c
     WHERE c.contract = $7 LIMIT {limit})
    UNION ALL
    (SELECT 'code', code, 'name', false FROM code
     WHERE name <> '' AND (contract, lower(name) COLLATE "C") >= ($7, $1)
       AND (contract, lower(name) COLLATE "C") < ($7, $2)
     ORDER BY contract, lower(name) COLLATE "C" LIMIT {limit})
    UNION ALL
    (SELECT 'contract', contract, 'contract', false FROM contract
     WHERE contract = $7 AND (starts_with(lower(contract), $1) OR starts_with(lower(name), $1)))"""

# What stands beside each find; a page of finds is small, so each is a look-up.
_BESIDE = """
    WITH found AS MATERIALIZED ({found})
    SELECT f.kind, f.name, f.matched, f.ends, coalesce(c.contract, d.contract, o.contract) AS contract,
           coalesce(c.code, d.code) AS code, coalesce(a.serial, held.adapter) AS adapter, a.model,
           coalesce(c.name, d.name, o.name, '') AS title, coalesce(c.kind, d.kind) AS code_kind
    FROM found f
    LEFT JOIN adapter a ON f.kind = 'adapter' AND a.serial = f.name
    LEFT JOIN registration r ON r.adapter = a.serial
    LEFT JOIN code c ON c.code = r.code
    LEFT JOIN code d ON f.kind = 'code' AND d.code = f.name
    LEFT JOIN registration held ON held.code = d.code
    LEFT JOIN contract o ON f.kind = 'contract' AND o.contract = f.name"""


async def find(db: Database, word: str, *, contract: str | None, limit: int) -> list[Row]:
    """What is called so at its beginning or end, up to `limit` for each kind of name; in no particular order, and what
    is found by two of its names is there twice.

    word: in lower case or not, which makes no difference. contract: only what is its own, None for all.
    Columns: kind (adapter, code, contract), name, matched, ends, contract, code, adapter, model, title, code_kind.
    """
    low = word.lower()
    tail = low[::-1] if len(low) >= ENDS_FROM else _LAST
    values: list[object] = [low, low + _LAST, tail, tail + _LAST, *_ids(low)]
    if contract is not None:
        values += [contract, word, word + _LAST, word.upper(), word.upper() + _LAST]
    parts = _EVERYWHERE if contract is None else _IN_CONTRACT
    query = _BESIDE.format(found=parts.format(limit=int(limit), looked_through=LOOKED_THROUGH))
    async with by_index(db) as tx:
        return await tx.fetch(query, *values)


def _ids(word: str) -> tuple[UUID | None, UUID | None]:
    """The first and last distribution id that begin so (groups of four hexadecimal digits); None: none does."""
    digits = word.replace("-", "")
    if len(digits) < ENDS_FROM or len(digits) > 32 or not re.fullmatch(r"[0-9a-f]+(-[0-9a-f]+)*-?", word):
        return None, None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
