"""Concept sets as OHDSI's tools write them: ATLAS's export, WebAPI's answer, a cohort definition.

Read is what Circe reads of an item: the concept's id and three flags. A flag nobody knows that is
set would change what the set means, so it is refused by its name; names, codes and dates beside
them are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from precisionchain.errors import InputError, UnreadableFileError, UsageError
from precisionchain.query.concept_sets import ConceptItem, ConceptSet

_FLAGS: Final = ("isexcluded", "includedescendants", "includemapped")
_FORM: Final = '{"items": [{"concept": {"CONCEPT_ID": 201826}, "includeDescendants": true}]}'
MOST_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class AtlasSet:
    """A concept set of a document.

    Attributes:
        number: the ``id`` by which criteria of the document name it, None where it has none.
        name: as its author called it, None where it has none.
        concepts: the set; None where it includes no concept, and so finds nothing.
    """

    number: int | None
    name: str | None
    concepts: ConceptSet | None


def atlas_sets(document: object) -> tuple[AtlasSet, ...]:
    """Return the concept sets of a JSON document, as ``json.loads`` returns it, in its order.

    A document is an expression (``items``), a set around one (``expression``), a list of such sets,
    or a cohort definition with ``ConceptSets``.

    Raises:
        UsageError: it is none of these, or holds what cannot be read; the error says where.
    """
    if isinstance(document, Mapping):
        members = _folded(document)
        if "conceptsets" in members:
            return _several(members["conceptsets"], "ConceptSets")
        # A definition as WebAPI answers with it stands in a member of its own, maybe as text.
        inner = members.get("expression")
        if isinstance(inner, str):
            inner = _parsed(inner, "expression")
        if isinstance(inner, Mapping) and "conceptsets" in _folded(inner):
            return atlas_sets(inner)
        return (_one(document, "the document"),)
    if isinstance(document, list) and document and all(_is_set(one) for one in document):
        return _several(document, "the document")
    return (_one({"items": document}, "the document"),)


def atlas_concept_set(
    given: str | Path | Mapping[str, Any] | list[Any], name: str | int | None = None
) -> ConceptSet:
    """Return one concept set of ATLAS's JSON: a file, or the object that is in one.

    Args:
        given: a path, or what ``json.loads`` returns.
        name: of a document of several sets, the name or the number of the one that is meant.

    Raises:
        UnreadableFileError: the file cannot be read.
        UsageError: it is no JSON of concept sets, or the set is not told, or includes nothing.
    """
    return _meant(given, name)[0]


def title_of(
    given: str | Path | Mapping[str, Any] | list[Any], name: str | int | None = None
) -> str | None:
    """Return what the author of a set called it; arguments as of `atlas_concept_set`."""
    return _meant(given, name)[1]


_Meant: TypeAlias = tuple[ConceptSet, str | None]


def _meant(given: str | Path | Mapping[str, Any] | list[Any], name: str | int | None) -> _Meant:
    if isinstance(given, str | Path):
        path = Path(given)
        document = read_document(path)
        try:
            return _one_meant(document, name)
        except (UsageError, InputError) as error:
            where = f"{path.name}: {error.where}" if error.where else path.name
            raise type(error)(error.message, where=where, hint=error.hint) from None
    return _one_meant(given, name)


def _one_meant(document: object, name: str | int | None) -> _Meant:
    """Return the set that is meant, and what its author called it."""
    found = atlas_sets(document)
    if not found:
        raise UsageError("no concept set is there", hint=_FORM)
    named = [one for one in found if name is None or name in (one.name, one.number)]
    if len(named) == 1:
        if named[0].concepts is None:
            raise UsageError("the concept set includes no concept", hint="it would find nothing")
        return named[0].concepts, named[0].name
    said = ", ".join(f"{one.number} ({one.name or 'no name'})" for one in found)
    raise UsageError(
        f"{len(found)} concept sets are there, and {len(named)} of them are meant",
        hint=f"name one, by its number or name: {said}",
    )


def read_document(path: Path, form: str = _FORM) -> Any:
    """Return the JSON in a file.

    Args:
        path: the file.
        form: what it should look like, for messages.

    Raises:
        UnreadableFileError: it cannot be read.
        InputError: it is no JSON.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError("too large for JSON of ATLAS", where=path.name)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError("the file cannot be read", where=path.name) from error
    return _parsed(text, path.name, form)


def _parsed(text: str, where: str, form: str = _FORM) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("not JSON", where=where, hint=form) from None


def _several(given: object, where: str) -> tuple[AtlasSet, ...]:
    if not isinstance(given, list):
        raise UsageError("not a list of concept sets", where=where)
    return tuple(_one(one, f"{where}[{place}]") for place, one in enumerate(given))


def _one(given: object, where: str) -> AtlasSet:
    if not isinstance(given, Mapping):
        raise UsageError("not a concept set", where=where, hint=_FORM)
    members = _folded(given)
    expression = members.get("expression", given)
    if isinstance(expression, str):
        expression = _parsed(expression, f"{where}.expression")
    items = _folded(expression).get("items") if isinstance(expression, Mapping) else expression
    if not isinstance(items, list):
        raise UsageError("no list of items is there", where=where, hint=_FORM)
    include: list[ConceptItem] = []
    exclude: list[ConceptItem] = []
    for place, one in enumerate(items):
        item, is_excluded = _item(one, f"{where}.items[{place}]")
        (exclude if is_excluded else include).append(item)
    number, name = members.get("id"), members.get("name")
    return AtlasSet(
        number if isinstance(number, int) and not isinstance(number, bool) else None,
        name if isinstance(name, str) else None,
        ConceptSet(tuple(include), tuple(exclude)) if include else None,
    )


def _item(given: object, where: str) -> tuple[ConceptItem, bool]:
    """Return an item, and whether it is excluded."""
    if not isinstance(given, Mapping):
        raise UsageError("not an item of a concept set", where=where, hint=_FORM)
    members = _folded(given)
    flags = {name: members.get(name) or False for name in _FLAGS}
    for name, value in members.items():
        if name in _FLAGS and value not in (True, False, None):
            raise UsageError(f"{name} is true or false", where=where)
        if name not in _FLAGS and value is True:
            raise UsageError(
                "a flag is set that is not covered", where=f"{where}.{_spelled(given, name)}"
            )
    concept = members.get("concept", given)
    number = _folded(concept).get("conceptid") if isinstance(concept, Mapping) else None
    if not isinstance(number, int) or isinstance(number, bool) or not -(2**63) <= number < 2**63:
        raise UsageError("an item without the id of a concept", where=where, hint=_FORM)
    item = ConceptItem(
        number, descendants=flags["includedescendants"], mapped=flags["includemapped"]
    )
    return item, flags["isexcluded"]


def _folded(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return members by names without case and ``_``: tools differ in both."""
    return {_fold(str(name)): value for name, value in given.items()}


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _spelled(given: Mapping[Any, Any], folded: str) -> str:
    return next(str(name) for name in given if _fold(str(name)) == folded)[:40]


def _is_set(given: object) -> bool:
    return isinstance(given, Mapping) and "expression" in _folded(given)
