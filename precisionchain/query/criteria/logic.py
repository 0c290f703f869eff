"""What every criterion can, and those that are made of others: and, or, not, so many of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from precisionchain.errors import UsageError
from precisionchain.query.criteria.names import MAX_DEPTH
from precisionchain.query.criteria.values import Call


class Criterion:
    """Something that is true, false or unknown of every person of the universe.

    ``a & b``, ``a | b`` and ``~a`` combine criteria by Kleene's strong logic.
    """

    __slots__ = ()

    def call(self) -> Call:
        """Return how the criterion is written."""
        # No ABC: a question asks hundreds of times what kind of criterion one is, which takes four
        # times as long where classes have a metaclass of their own.
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """How deep it nests, at most `MAX_DEPTH`."""
        return 1

    @property
    def text(self) -> str:
        """The criterion in the text grammar; `precisionchain.criterion` reads it."""
        from precisionchain.query.spelling import to_text

        return to_text(self.call())

    @property
    def python(self) -> str:
        """The criterion as a Python expression, where ``pc`` is ``precisionchain``."""
        from precisionchain.query.spelling import to_python

        return to_python(self.call())

    @property
    def json(self) -> dict[str, Any]:
        """The criterion as a JSON object; `precisionchain.criterion` reads it."""
        from precisionchain.query.spelling import to_json

        return to_json(self.call())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.python

    def __and__(self, other: Criterion) -> Criterion:
        return And((self, other))

    def __or__(self, other: Criterion) -> Criterion:
        return Or((self, other))

    def __invert__(self) -> Criterion:
        return self.of if isinstance(self, Not) else Not(self)

    def __bool__(self) -> bool:
        raise UsageError(
            "a criterion is neither true nor false by itself",
            hint="combine criteria with &, | and ~, not with and, or and not",
        )


def _flat(kind: type[And] | type[Or], of: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
    if len(of) < 2:
        raise UsageError("and, or need two criteria at least")
    parts: list[Criterion] = []
    for part in of:
        parts.extend(part.of if isinstance(part, kind) else (checked(part),))
    return tuple(parts)


def checked(given: object) -> Criterion:
    """Return what was given, a criterion.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(given, Criterion):
        raise UsageError("this needs a criterion", hint="as condition(201826)")
    return given


def level(above: int, of: Iterable[Criterion]) -> int:
    """Return the depth of what is ``above`` levels over its parts."""
    depth = above + max((part.depth for part in of), default=0)
    if depth > MAX_DEPTH:
        raise UsageError(
            f"criteria nest {MAX_DEPTH} deep at most", hint="save a part as a cohort, by name"
        )
    return depth


@dataclass(frozen=True, slots=True, repr=False)
class And(Criterion):
    """All hold. An ``And`` in an ``And`` is merged into it."""

    of: tuple[Criterion, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _flat(And, self.of))
        object.__setattr__(self, "depth", level(1, self.of))

    def call(self) -> Call:
        """Return ``and(...)``."""
        return Call("and", tuple(part.call() for part in self.of))


@dataclass(frozen=True, slots=True, repr=False)
class Or(Criterion):
    """At least one holds. An ``Or`` in an ``Or`` is merged into it."""

    of: tuple[Criterion, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _flat(Or, self.of))
        object.__setattr__(self, "depth", level(1, self.of))

    def call(self) -> Call:
        """Return ``or(...)``."""
        return Call("or", tuple(part.call() for part in self.of))


@dataclass(frozen=True, slots=True, repr=False)
class Not(Criterion):
    """It does not hold; unknown stays unknown. What is negated twice is not negated."""

    of: Criterion
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.of, Not):
            raise UsageError("a negation is not negated", hint="~criterion takes it away")
        object.__setattr__(self, "depth", level(1, (checked(self.of),)))

    def call(self) -> Call:
        """Return ``not(...)``."""
        return Call("not", (self.of.call(),))


@dataclass(frozen=True, slots=True, repr=False)
class SomeOf(Criterion):
    """At least ``n`` of some criteria hold."""

    n: int
    of: tuple[Criterion, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.n <= len(self.of):
            raise UsageError("some_of needs a number from 1 to that of its criteria")
        object.__setattr__(self, "depth", level(1, map(checked, self.of)))

    def call(self) -> Call:
        """Return ``some_of(n, criterion, ...)``."""
        return Call("some_of", (self.n, *(part.call() for part in self.of)))
