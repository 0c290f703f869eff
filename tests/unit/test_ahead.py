"""Work done ahead: in order, bounded, and with errors where their results would be."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from precisionchain.schemas.ahead import ahead


def _counted(taken: list[int], n: int) -> Iterator[int]:
    for number in range(n):
        taken.append(number)
        yield number


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    taken: list[int] = []
    assert list(ahead(str, _counted(taken, 50), threads=threads)) == [str(n) for n in range(50)]
    assert list(ahead(str, iter(()), threads=threads)) == []


def test_no_more_than_the_bound_wait() -> None:
    taken: list[int] = []
    gate = threading.Event()

    def slowly(number: int) -> int:
        if number:
            gate.wait(10)
        return number

    results = ahead(slowly, _counted(taken, 50), most=4)
    assert next(results) == 0
    assert len(taken) <= 6
    gate.set()
    assert list(results) == list(range(1, 50))


def test_an_error_stands_where_its_result_would() -> None:
    def refusing(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    results = ahead(refusing, range(20))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(results)


def test_who_stops_taking_ends_the_work() -> None:
    before = threading.active_count()
    results = ahead(str, range(1000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
