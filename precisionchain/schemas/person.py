"""How a person of the network is written: ``A:42``, the site and its own ``person_id``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from precisionchain.errors import UsageError

_PERSON: Final = re.compile(r"(?:(?P<site>[A-Za-z][A-Za-z0-9-]{0,15}):)?(?P<id>-?[0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the network, written ``A:42``."""

    site: str
    person_id: int

    @classmethod
    def parse(cls, text: str) -> Person:
        """Read ``A:42``.

        Raises:
            UsageError: the text is not of that form; a bare id means nobody in a network.
        """
        site, person_id = parse_person(text)
        if site is None:
            raise UsageError("not a person of the network", hint="SITE:person_id, as A:42")
        return cls(site, person_id)


def parse_person(text: str) -> tuple[str | None, int]:
    """Return (site or None, person_id) of ``A:42``, ``A:-42`` or ``42``.

    Raises:
        UsageError: the text is no person.
    """
    found = _PERSON.fullmatch(text)
    person_id = int(found["id"]) if found else 0
    if found is None or not -(2**63) <= person_id < 2**63:
        raise UsageError("not a person", hint="SITE:person_id, as A:42; ids are 64-bit integers")
    return found["site"], person_id


def written(text: str) -> str:
    """Return a person as it is written, ``A:42`` or ``42``.

    Raises:
        UsageError: the text is no person.
    """
    site, person_id = parse_person(text)
    return str(person_id) if site is None else f"{site}:{person_id}"
