"""How samples are spoken of in messages: counted, and named where a name cannot be a person's id.

>>> some_samples(["HG1"]), some_samples(["a", "b", "c"], most=2)
('1 sample (HG1)', '3 samples (a, b and 1 more)')
>>> some_samples(["471100", "471200"])
'2 samples (whole numbers, which may be ids of persons: not shown)'
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from precisionchain.errors import SampleMapError

_NUMBER = re.compile(r"\s*[-+]?\d+\s*")


def some_samples(names: Sequence[str], most: int = 10) -> str:
    """Return how many samples these are, and the names of the first.

    Person ids are whole numbers, and a message never shows one; that a sample is called by one is
    usual in ``.fam`` files and in exports of ours.
    """
    count = f"{len(names)} sample{'s' * (len(names) != 1)}"
    if any(_NUMBER.fullmatch(name) for name in names):
        return f"{count} (whole numbers, which may be ids of persons: not shown)"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{count} ({', '.join(names[:most])}{more})"


def refuse_twice(names: Sequence[str], where: str, hint: str | None = None) -> None:
    """Refuse a file in which a sample stands twice.

    Raises:
        SampleMapError: it does.
    """
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise SampleMapError(f"twice in one file: {some_samples(twice)}", where=where, hint=hint)
