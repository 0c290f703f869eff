"""Drafts: items before they have a batch, an ordinal and a bucket."""

from __future__ import annotations

from dataclasses import dataclass

from precisionchain.schemas.items import Payload


@dataclass(frozen=True, slots=True)
class Draft:
    """What an encoder hands on: the family an item belongs to, its typed keys, its payload.

    The batch's own key (``b:``) is added when the draft is given its ordinal.
    """

    family: str
    keys: tuple[str, ...]
    payload: Payload
