"""Drafts: items before they have a batch, an ordinal and a bucket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from precisionchain.schemas.items import Payload

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Draft:
    """What an encoder hands on: the family an item belongs to, its typed keys, its payload.

    The batch's own key (``b:``) is added when the draft is given its ordinal.
    ``made_of``: the name of the CDM table and the rows that the payload holds, where they are at
    hand.
    """

    family: str
    keys: tuple[str, ...]
    payload: Payload
    made_of: tuple[str, pa.Table] | None = field(default=None, compare=False, repr=False)
