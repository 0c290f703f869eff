"""Names in a question that the network knows; of others the log says only that one was typed.

A record number typed where a site or a chromosome belongs is a well-formed name of either
(``MRN-00777``), and every member reads the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.query.asked_variants import is_id
from precisionchain.query.typed import NOT_LOGGED
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.genome import CHROMOSOMES
from precisionchain.schemas.structural import is_structural, parse_alt

_SITES: Final = {"site", "at_site"}
_PERSONS: Final = {"person", "persons", "subject"}
_SEQUENCED: Final = "sequenced"
_TERMS: Final = {"text", "domain", "vocabulary"}
_VARIANTS: Final = {"variant", "carries", "genotype", "assayed"}
_PLACES: Final = {
    "region",
    "variant",
    "subject",
    "carries",
    "carries_structural",
    "genotype",
    "assayed",
}


def require_site(site: str | None, sites: Collection[str]) -> None:
    """Refuse a site that is not, and never was, a member; None is any.

    Raises:
        UsageError: naming those that are.
    """
    if site is not None and site not in sites:
        known = ", ".join(sorted(sites))
        raise UsageError(f"{site} is no site of this network", hint=f"one of {known}")


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What may be named in a logged question.

    Args:
        sites: the sites that are or were members.
        snapshot: the generation whose contigs, beside the chromosomes, are known.
    """

    sites: frozenset[str]
    snapshot: Snapshot

    def only(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return a question with ``?`` for the persons, sites and places of unknown names."""
        if _SEQUENCED in asked:
            return self._sequenced(asked)
        return {name: self._value(name, value) for name, value in asked.items()}

    def _sequenced(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return conditions on columns with ``?`` for columns and texts that no batch has."""
        from precisionchain.query.sequencing import sequencing_of

        known = sequencing_of(self.snapshot)
        logged: dict[str, Any] = {_SEQUENCED: []}
        for name, value in asked.items():
            if name == _SEQUENCED:
                continue
            column = name.partition("__")[0]
            texts = known.texts(column)
            values = value if isinstance(value, list) else [value]
            shown = [
                NOT_LOGGED if isinstance(one, str) and one not in texts else one for one in values
            ]
            place = name if column in known.asked else NOT_LOGGED
            logged[place] = shown if isinstance(value, list) else shown[0]
        return logged

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.only(value)
        if isinstance(value, list):
            return [self._value(name, one) for one in value]
        if not isinstance(value, str) or self._is_known(name, value):
            return value
        return NOT_LOGGED

    def _is_known(self, name: str, text: str) -> bool:
        if name in _VARIANTS and is_id(text):
            return True
        if name in _TERMS:
            return self._is_term(name, text)
        before, colon, _ = text.partition(":")
        if name in _SITES:
            return text in self.sites
        if name in _PERSONS and text.count(":") < 2:
            return not colon or before in self.sites
        if name == "by":
            return self._is_grouping(text)
        # The state of a `genotype` is no place.
        if name not in _PLACES or (name == "genotype" and not colon):
            return True
        return self._is_contig(before) and self._is_allele(text)

    def _is_contig(self, name: str) -> bool:
        from precisionchain.query.known_contigs import contigs_of

        return name in CHROMOSOMES or name in contigs_of(self.snapshot)

    def _is_allele(self, place: str) -> bool:
        """Return whether the ALT of a variant, if it is structural, is one that can be stored, and
        its mate on a known contig; True of a region.
        """
        cells = place.split(":", 3)
        if len(cells) < 4 or not is_structural(cells[3]):
            return True
        said = parse_alt(int(cells[1]), cells[3])
        return said is not None and (said.mate is None or self._is_contig(said.mate[0]))

    def _is_term(self, name: str, text: str) -> bool:
        """Return whether the vocabulary slices have what is looked for: a surname they have not."""
        from precisionchain.query.concept_search import Wanted, is_named
        from precisionchain.query.slices import slices

        wanted = {
            "text": Wanted(text=text),
            "domain": Wanted(domain=text),
            "vocabulary": Wanted(vocabulary=text),
        }
        return is_named(slices(self.snapshot), wanted[name])

    def _is_grouping(self, column: str) -> bool:
        from precisionchain.query.sequencing import sequencing_of

        return column == "sex" or column in sequencing_of(self.snapshot).asked
