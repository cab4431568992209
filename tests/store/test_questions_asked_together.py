import asyncio

import asyncpg
import pytest

from controller.store.pool import TROUBLE
from controller.store.together import AT_ONCE, MOST, Together


async def halves(connection, asked):
    """100 / n of each in one statement; a zero is one statement's end."""
    rows = await connection.fetch("SELECT 100 / n AS answer FROM unnest($1::int[]) AS n", asked)
    return [row["answer"] for row in rows]


def counting(ask):
    sizes = []

    async def counted(connection, asked):
        sizes.append(len(asked))
        return await ask(connection, asked)

    return counted, sizes


async def test_what_comes_in_one_turn_is_one_statement(database) -> None:
    ask, sizes = counting(halves)

    answers = await asyncio.gather(*(database.together(ask, n) for n in (1, 2, 5, 10)))

    assert answers == [100, 50, 20, 10]
    assert sizes == [4]


async def test_one_that_cannot_be_answered_does_not_spoil_the_others(database) -> None:
    answers = await asyncio.gather(*(database.together(halves, n) for n in (1, 0, 4)), return_exceptions=True)

    assert (answers[0], answers[2]) == (100, 25)
    assert isinstance(answers[1], asyncpg.DivisionByZeroError)


async def test_many_are_asked_in_bounded_statements(database) -> None:
    ask, sizes = counting(halves)

    answers = await asyncio.gather(*(database.together(ask, 1 + n % 10) for n in range(3 * MOST + 1)))

    assert answers == [100 // (1 + n % 10) for n in range(3 * MOST + 1)]
    assert sizes[0] == MOST
    assert max(sizes) == MOST
    assert sum(sizes) == 3 * MOST + 1


async def test_where_there_is_time_those_that_come_within_it_go_together(database) -> None:
    ask, sizes = counting(halves)
    together = Together(database.connection, ask, gather_s=0.2)
    asking = []
    for n in (1, 2, 5):
        asking.append(asyncio.create_task(together.answer(n)))
        await asyncio.sleep(0.01)

    assert await asyncio.gather(*asking) == [100, 50, 20]
    assert await together.answer(10) == 10
    assert sizes == [3, 1]


async def test_who_comes_while_enough_is_under_way_goes_with_the_next(database) -> None:
    may_end = asyncio.Event()
    under_way = []

    async def slow(connection, asked):
        under_way.append(list(asked))
        await may_end.wait()
        return asked

    together = Together(database.connection, slow)
    asking = []
    for n in range(AT_ONCE + 4):
        asking.append(asyncio.create_task(together.answer(n)))
        await asyncio.sleep(0.01)
    assert under_way == [[n] for n in range(AT_ONCE)]

    asking[-1].cancel()  # gave up before it was sent: nobody asks for it
    may_end.set()

    assert await asyncio.gather(*asking[:-1]) == list(range(AT_ONCE + 3))
    assert under_way[-1] == [AT_ONCE, AT_ONCE + 1, AT_ONCE + 2]


async def test_who_gives_up_while_it_is_asked_harms_nobody(database) -> None:
    async def slow(connection, asked):
        await connection.execute("SELECT pg_sleep(0.05)")
        return asked

    impatient, patient = (asyncio.create_task(database.together(slow, n)) for n in (1, 2))
    await asyncio.sleep(0.02)
    impatient.cancel()

    assert await patient == 2
    assert impatient.cancelled()


async def test_trouble_with_the_database_is_told_to_all(database) -> None:
    async def cut(connection, asked):
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return asked

    told = await asyncio.gather(*(database.together(cut, n) for n in range(3)), return_exceptions=True)

    assert all(isinstance(each, TROUBLE) for each in told)


async def test_a_mistake_of_ours_reaches_who_asked(database) -> None:
    async def mistaken(connection, asked):
        raise LookupError(asked)

    with pytest.raises(LookupError):
        await database.together(mistaken, 1)
