"""Where an item's family follows from what is in it: person buckets and nearest ancestors.

Placement is an index, never a meaning: readers find an item by the mapping streams, and every
answer is the same wherever the rows lie. Normative text: ``docs/reference/streams.md`` section 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def person_buckets(person_ids: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Return each person's Person-view bucket, 1 .. ``buckets``.

    The splitmix64 finaliser spreads ids that are sequential, strided or hashed alike.
    """
    mixed = person_ids.astype(np.int64, copy=True).view(np.uint64)
    with np.errstate(over="ignore"):
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed % np.uint64(buckets)).astype(np.int64) + 1
