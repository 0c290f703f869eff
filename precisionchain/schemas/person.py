"""How a person of the network is written: ``A:42``, the site and its own ``person_id``."""

from __future__ import annotations

import re
from typing import Final

from precisionchain.errors import UsageError

_PERSON: Final = re.compile(r"(?:(?P<site>[A-Za-z][A-Za-z0-9-]{0,15}):)?(?P<id>-?[0-9]{1,19})")


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
