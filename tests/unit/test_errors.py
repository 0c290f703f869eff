"""The tree drawn at the top of errors.py is the tree that exists."""

from __future__ import annotations

import inspect
import re

import pytest

from precisionchain import errors
from precisionchain.errors import PrecisionChainError

_LINE = re.compile(
    r"^    (?P<branch>[│ ]*[├└]── |)(?P<name>[A-Z]\w+Error)(?: +exit (?P<exit>\d+))? {2,}\S.*$"
)


def _drawn() -> list[tuple[str, str | None, int | None]]:
    """(name, parent, exit code written beside it) in the order of the drawing."""
    assert errors.__doc__ is not None
    rows: list[tuple[str, str | None, int | None]] = []
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        depth = len(found["branch"]) // 4
        del path[depth:]
        rows.append(
            (
                found["name"],
                path[-1] if path else None,
                int(found["exit"]) if found["exit"] else None,
            )
        )
        path.append(found["name"])
    return rows


def _real() -> dict[str, type[PrecisionChainError]]:
    return {
        name: member
        for name, member in vars(errors).items()
        if isinstance(member, type) and issubclass(member, PrecisionChainError)
    }


def test_the_drawing_names_every_class_once_and_nothing_else() -> None:
    names = [name for name, _, _ in _drawn()]
    assert sorted(names) == sorted(_real())
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("name", "parent", "_exit"), _drawn())
def test_a_class_hangs_where_it_is_drawn(name: str, parent: str | None, _exit: int | None) -> None:
    bases = [base.__name__ for base in _real()[name].__bases__]
    assert bases == [parent or "Exception"]


@pytest.mark.parametrize(("name", "parent", "drawn_exit"), _drawn())
def test_a_branch_has_the_exit_code_drawn_and_its_leaves_inherit_it(
    name: str, parent: str | None, drawn_exit: int | None
) -> None:
    own = _real()[name].__dict__.get("exit_code")
    assert own == drawn_exit
    if parent in {None, "PrecisionChainError"}:
        assert drawn_exit is not None


def test_exit_codes_tell_the_branches_apart() -> None:
    codes = [code for _, _, code in _drawn() if code is not None]
    assert len(codes) == len(set(codes))
    assert 0 not in codes


def test_the_drawing_is_in_the_order_of_the_source() -> None:
    in_source = sorted(_real().values(), key=lambda cls: inspect.getsourcelines(cls)[1])
    assert [name for name, _, _ in _drawn()] == [cls.__name__ for cls in in_source]


@pytest.mark.parametrize(
    ("where", "hint", "text"),
    [
        (None, None, "the header lacks person_id"),
        ("person.csv:1", None, "person.csv:1: the header lacks person_id"),
        (None, "add it", "the header lacks person_id (add it)"),
        ("person.csv:1", "add it", "person.csv:1: the header lacks person_id (add it)"),
    ],
)
def test_an_error_reads_where_what_and_what_next(
    where: str | None, hint: str | None, text: str
) -> None:
    error = errors.OmopFormatError("the header lacks person_id", where=where, hint=hint)
    assert str(error) == text
    assert (error.message, error.where, error.hint) == ("the header lacks person_id", where, hint)
