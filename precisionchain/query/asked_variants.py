"""A variant as a question names it: ``chrom:pos:ref:alt``, or the id that files gave it.

>>> asked_variant("chr9:22,098,574:a:G"), variant_or_id("rs4977574")
(Variant(chrom='9', pos=22098574, ref='A', alt='G', build=None), 'rs4977574')
"""

from __future__ import annotations

import re
from typing import Final

from precisionchain.errors import RegionError
from precisionchain.schemas.structural import SPANNING, SVTYPES, is_structural, parse_alt
from precisionchain.schemas.variant import Variant

_ID: Final = re.compile(r"rs[1-9]\d{0,17}", re.ASCII)
_TYPE: Final = re.compile(r"<([A-Z]+)[:;>]", re.ASCII)


def is_id(text: str) -> bool:
    """Return whether a text is an id as dbSNP gives them; no other ids can be asked for."""
    return _ID.fullmatch(text) is not None


def asked_variant(text: str) -> Variant:
    """Read a variant of which there can be genotypes.

    Raises:
        RegionError: the text is none, or a structural allele that no batch can hold: without the
            END that tells it from others, for one.
    """
    variant = Variant.parse(text)
    if is_structural(variant.alt) and parse_alt(variant.pos, variant.alt) is None:
        raise _incomplete(variant.alt)
    return variant


def variant_or_id(text: str) -> Variant | str:
    """Read a variant, or the id of one.

    Raises:
        RegionError: the text is neither; see `asked_variant`.
    """
    found = text.strip()
    return found if is_id(found) else asked_variant(text)


def _incomplete(alt: str) -> RegionError:
    """Return what a structural allele that cannot be stored is refused with."""
    named = _TYPE.match(alt)
    if named is not None and named[1] in SPANNING:
        return RegionError(
            f"{alt} is without END, which tells it from others of its position",
            hint=f'written as "2:321682:T:<{named[1]};END=321887>"; '
            "`query structural` lists those of a region",
        )
    if alt.startswith("<"):
        return RegionError(
            f"{alt} is no structural allele that is stored",
            hint=f"one of {', '.join(SVTYPES)}, as `query structural` lists them",
        )
    return RegionError(f"{alt} is no breakend", hint='as in "2:321681:G:G]17:198982]"')
