"""Concept sets as values: concepts with or without descendants and source codes, less others.

What a set means is OHDSI's definition: all that its included items give, without anything that its
excluded items give. Normative text: ``docs/reference/cohorts.md``. No data, no engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from precisionchain.errors import UsageError

_WORD: Final = re.compile(r"(0|-?[1-9][0-9]{0,18})(\+?)(\*?)")
_HINT: Final = "201826, 201826+ with descendants, 201826* with mapped source codes, 201826+* both"


def is_word(text: str) -> bool:
    """Return whether a text is a concept of a set, as ``201826+``."""
    return _WORD.fullmatch(text) is not None


class Expands(Protocol):
    """What resolves concept sets: the vocabulary of a network, or of a test."""

    def known(self, concepts: Iterable[int]) -> set[int]:
        """Return those concepts that the vocabulary, or a row, has."""

    def descendants_of(self, concepts: Collection[int]) -> set[int]:
        """Return all valid descendants of some concepts."""

    def mapped_to(self, concepts: Collection[int]) -> set[int]:
        """Return the concepts that map to one of some concepts."""


@dataclass(frozen=True, slots=True, order=True)
class ConceptItem:
    """A concept of a set, by itself or with others.

    Attributes:
        concept: its id.
        descendants: with all its descendants.
        mapped: with what maps to it, and to its descendants where these are asked for.
    """

    concept: int
    descendants: bool = False
    mapped: bool = False

    @property
    def word(self) -> int | str:
        """How it is written: ``201826``, ``201826+``, ``201826*`` or ``201826+*``."""
        if not (self.descendants or self.mapped):
            return self.concept
        return f"{self.concept}{'+' * self.descendants}{'*' * self.mapped}"

    @classmethod
    def of(cls, word: object) -> ConceptItem:
        """Return the item that a word, or a bare id, means.

        Raises:
            UsageError: it is none.
        """
        if isinstance(word, int) and not isinstance(word, bool) and abs(word) <= 2**63:
            word = str(word)  # a longer number is one that Python does not print
        found = _WORD.fullmatch(word) if isinstance(word, str) else None
        if found is None or not -(2**63) <= int(found[1]) < 2**63:
            raise UsageError("not a concept of a concept set", hint=_HINT)
        return cls(int(found[1]), bool(found[2]), bool(found[3]))


@dataclass(frozen=True, slots=True)
class ConceptSet:
    """Included items, and excluded ones, each ascending and once; at least one is included."""

    include: tuple[ConceptItem, ...]
    exclude: tuple[ConceptItem, ...] = ()

    def __post_init__(self) -> None:
        if not self.include:
            raise UsageError(
                "the concept set includes no concept",
                hint="a set that finds nothing must not come to mean any",
            )
        for name in ("include", "exclude"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))

    @classmethod
    def from_words(
        cls, include: Iterable[int | str], exclude: Iterable[int | str] = ()
    ) -> ConceptSet:
        """Return the set that words mean, as ``201826+``.

        Raises:
            UsageError: one is no word, or none is included.
        """
        return cls(tuple(map(ConceptItem.of, include)), tuple(map(ConceptItem.of, exclude)))

    @property
    def include_words(self) -> tuple[int | str, ...]:
        """The included items as words."""
        return tuple(item.word for item in self.include)

    @property
    def exclude_words(self) -> tuple[int | str, ...]:
        """The excluded items as words."""
        return tuple(item.word for item in self.exclude)

    @property
    def text(self) -> str:
        """How it is written in a criterion: ``concept_set(201826+, exclude=[201254])``."""
        include = ", ".join(map(str, self.include_words))
        exclude = ", ".join(map(str, self.exclude_words))
        return f"concept_set({include}{f', exclude=[{exclude}]' if exclude else ''})"

    @property
    def concepts(self) -> tuple[int, ...]:
        """The concepts that it names, ascending."""
        return tuple(sorted({item.concept for item in (*self.include, *self.exclude)}))

    def resolve(self, vocabulary: Expands) -> frozenset[int]:
        """Return the concepts that it means; those that nothing knows are left out."""
        included = _expanded(self.include, vocabulary)
        return frozenset(included - _expanded(self.exclude, vocabulary))


def _expanded(items: Iterable[ConceptItem], vocabulary: Expands) -> set[int]:
    """Return what items give: concepts, descendants, and what maps to either where asked."""
    given = list(items)
    mapped = [item for item in given if item.mapped]
    found = _below(given, vocabulary)
    return found | vocabulary.mapped_to(_below(mapped, vocabulary)) if mapped else found


def _below(items: list[ConceptItem], vocabulary: Expands) -> set[int]:
    found = vocabulary.known(item.concept for item in items)
    above = {item.concept for item in items if item.descendants}
    return found | vocabulary.descendants_of(above) if above else found
