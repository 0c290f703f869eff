"""OMOP sources over time written as drafts, and by a slow reading what of them counts.

A history is a list of steps of some sites: a batch with rows and with places that it lists as
superseded, right or wrong; a person withdrawn or readmitted; a batch withdrawn. `History.write`
seals them on a ledger as a site's program would, whatever they say; `History.counting` goes through
the steps row by row (``docs/reference/streams.md``, section 7).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyarrow as pa

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import Outbox
from precisionchain.ingest.send import send_batch
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.signing import Signer, is_signed
from precisionchain.schemas.corrections import (
    CORRECTIONS_SOURCE,
    SUPERSEDED,
    WITHDRAWN,
    superseded_payload,
    withdrawn_payload,
)
from precisionchain.schemas.manifest import NO_PARENT, Manifest, batch_id_of
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.streams import SUPERSEDED as SUPERSEDED_FAMILY
from precisionchain.schemas.streams import WITHDRAWN as WITHDRAWN_FAMILY
from tests.lib.batches import NETWORK, parameters

SIGNERS: Final = {"A": Signer(b"\x0a" * 32), "B": Signer(b"\x0b" * 32)}
SITES: Final = {signer.public_key: site for site, signer in SIGNERS.items()}

DOMAIN, PERSONS = "CONDITION_0/condition_occurrence", "CLIN_PERSON_1/condition_occurrence"
MAPPED, VOCABULARY = "MAP_PERSON/map-person", "VOCAB/concept"
CONCEPTS = "MAP_CONCEPT/map-concept"
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    DOMAIN: ("condition_occurrence_id", "person_id", "condition_concept_id"),
    PERSONS: ("condition_occurrence_id", "person_id", "condition_concept_id"),
    MAPPED: ("person_id", "family"),
    VOCABULARY: ("concept_id", "concept_name"),
    CONCEPTS: ("table", "concept_id", "family", "n"),
}
"""The columns of a row, by the name it is found under."""
_KINDS: Final = {MAPPED: "map-person", VOCABULARY: "vocabulary"}

Row = tuple[int | str | None, ...]
Place = tuple[int, int, int]
"""Step that sealed the batch, ordinal, row; of a step that is no batch: a batch nobody knows."""


@dataclass(frozen=True)
class Sealed:
    """A batch of a source: items as (name, rows), and the places it lists.

    Rows of `CONCEPTS` are not drawn: readers make them where a batch was withdrawn.
    """

    site: str
    source: str
    items: tuple[tuple[str, tuple[Row, ...]], ...]
    gone: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Person:
    """A person withdrawn, or readmitted."""

    site: str
    action: str
    person_id: int


@dataclass(frozen=True)
class Withdrawn:
    """The batch of an earlier step withdrawn by a site, its own or not."""

    site: str
    step: int


Step = Sealed | Person | Withdrawn


@dataclass(frozen=True)
class History:
    """Steps in the order of their seals."""

    steps: tuple[Step, ...]

    def counting(
        self, until: int, nobody: Set[tuple[str, int]] | None = None
    ) -> dict[str, Counter[Row]]:
        """Return the rows that count after some of the steps, by name, each with its site.

        Rows of the vocabulary have no site, and are there once. Left out are the persons of
        ``nobody``; default: those who are withdrawn after all steps.
        """
        nobody = self.withdrawn(len(self.steps)) if nobody is None else nobody
        rows: dict[Place, tuple[str, Row]] = {}
        taken_back = False
        for number, step in enumerate(self.steps[:until]):
            if isinstance(step, Sealed):
                for place in step.gone:
                    listed = self.steps[place[0]] if place[0] < number else None
                    if isinstance(listed, Sealed) and _chain(listed) == _chain(step):
                        rows.pop(place, None)
                for ordinal, (name, of_item) in enumerate(step.items):
                    for at, row in enumerate(of_item):
                        rows[number, ordinal, at] = (name, row)
            elif isinstance(step, Withdrawn) and self._site_of(step.step) == step.site:
                taken_back |= isinstance(self.steps[step.step], Sealed)
                rows = {
                    place: (name, row)
                    for place, (name, row) in rows.items()
                    if place[0] != step.step or name == VOCABULARY
                }
        found: dict[str, Counter[Row]] = defaultdict(Counter)
        for (number, _, _), (name, row) in rows.items():
            site = self._site_of(number)
            if "person_id" in COLUMNS[name]:
                person = row[COLUMNS[name].index("person_id")]
                if (site, person) in nobody:
                    continue
            if name == VOCABULARY:
                found[name][row] = 1
            else:
                found[name][(*row, site)] += 1
        return _mapped(found) if taken_back else dict(found)

    def withdrawn(self, until: int) -> set[tuple[str, int]]:
        """Return who is withdrawn after some of the steps."""
        found: set[tuple[str, int]] = set()
        for step in self.steps[:until]:
            if isinstance(step, Person):
                change = found.add if step.action == "withdraw" else found.discard
                change((step.site, step.person_id))
        return found

    def persons(self, until: int) -> set[tuple[str, int]]:
        """Return who is mapped after some of the steps, withdrawn or not."""
        rows = self.counting(until, nobody=set()).get(MAPPED, Counter())
        return {(str(site), int(str(person))) for person, _, site in rows}

    def invalid(self) -> Counter[tuple[int, str]]:
        """Count the listed places that change nothing, by step and reason."""
        found: Counter[tuple[int, str]] = Counter()
        listed: set[Place] = set()
        for number, step in enumerate(self.steps):
            if not isinstance(step, Sealed):
                continue
            for place in step.gone:
                named = self.steps[place[0]] if place[0] < number else None
                if not isinstance(named, Sealed) or _chain(named) != _chain(step):
                    found[number, "foreign"] += 1
                elif place[1] >= len(named.items) or place[2] >= len(named.items[place[1]][1]):
                    found[number, "unknown"] += 1
                elif place in listed:
                    found[number, "twice"] += 1
                else:
                    listed.add(place)
        return found

    def _site_of(self, number: int) -> str:
        return self.steps[number].site

    def write(
        self, ledger: Ledger, folder: Path, after: Callable[[], object] | None = None
    ) -> list[tuple[str, int]]:
        """Seal the steps; return batch id in hex and position of the seal of each.

        Args:
            ledger: an empty one.
            folder: for outboxes.
            after: called after each step.
        """
        families = {name.split("/")[0] for name in COLUMNS}
        streams = sorted({*families, "BATCH", SUPERSEDED_FAMILY, WITHDRAWN_FAMILY})
        ledger.create_streams([f"{family}_1" for family in streams])
        heads: dict[tuple[str, str], bytes] = {}
        sealed: list[tuple[str, int]] = []
        for number, step in enumerate(self.steps):
            source = step.source if isinstance(step, Sealed) else CORRECTIONS_SOURCE
            signer = SIGNERS[step.site]
            parent = heads.get((step.site, source), NO_PARENT)
            content = sha256(str(number).encode()).digest()
            batch = batch_id_of(NETWORK, signer.public_key, source, content, parent)
            kind = "omop" if isinstance(step, Sealed) else "correction"
            manifest = _manifest(kind, batch, parent, source, content)
            ids = [*(one for one, _ in sealed), batch.hex()]
            _seal(ledger, folder / f"{number}.sqlite", manifest, _drafts(step, ids), signer)
            heads[step.site, source] = batch
            sealed.append((batch.hex(), ledger.head().position))
            if after is not None:
                after()
        return sealed


def site_of(publisher: bytes) -> str:
    """Return the site of a publisher of these histories."""
    return SITES[publisher]


def entitled(found: LedgerItem) -> bool:
    """Return whether one of the sites signed an item."""
    return found.item.publisher in SITES and is_signed(found.item, NETWORK)


def _mapped(found: Mapping[str, Counter[Row]]) -> dict[str, Counter[Row]]:
    """Return the same with mappings as the rows themselves say."""
    concepts: Counter[Row] = Counter()
    for (_, _, concept, site), times in found.get(DOMAIN, Counter()).items():
        concepts[concept, site] += times
    family, table = DOMAIN.split("/")
    made: dict[str, Counter[Row]] = {
        **found,
        CONCEPTS: Counter(
            [(table, concept, family, n, site) for (concept, site), n in concepts.items()]
        ),
        MAPPED: Counter(
            {(person, "CLIN_PERSON_1", site) for _, person, _, site in found.get(PERSONS, ())}
        ),
    }
    return {name: rows for name, rows in made.items() if rows}


def _chain(step: Sealed) -> tuple[str, str]:
    return step.site, step.source


def _drafts(step: Step, ids: list[str]) -> Iterator[Draft]:
    if isinstance(step, Sealed):
        for name, rows in step.items:
            family, table = name.split("/")
            columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS[name])
            made = pa.table(dict(zip(COLUMNS[name], map(list, columns), strict=True)))
            kind = _KINDS.get(name, "clinical")
            named = None if kind == table else table
            yield Draft(family, (), table_payload(kind, made, table=named))
        if step.gone:
            places = [(_id(ids, number), ordinal, row) for number, ordinal, row in step.gone]
            yield Draft(SUPERSEDED_FAMILY, (), superseded_payload(_table(places, SUPERSEDED)))
        return
    row: tuple[object, ...]
    if isinstance(step, Person):
        row = ("person", step.action, step.person_id, None)
    else:
        row = ("batch", "withdraw", None, _id(ids, step.step))
    yield Draft(WITHDRAWN_FAMILY, (), withdrawn_payload(_table([row], WITHDRAWN)))


def _id(ids: list[str], number: int) -> str:
    return ids[number] if number < len(ids) else sha256(b"%d" % number).hexdigest()


def _table(rows: Iterable[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    named = [dict(zip(schema.names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(named, schema)


def _manifest(kind: str, batch: bytes, parent: bytes, source: str, content: bytes) -> Manifest:
    return Manifest.model_validate(
        {
            "kind": kind,
            "batch": batch.hex(),
            "parent": parent.hex(),
            "source": source,
            "source_id": content.hex(),
            "items": 0,
            "root": "",
            "families": (),
            "pages": (),
        }
    )


def _seal(
    ledger: Ledger, path: Path, manifest: Manifest, drafts: Iterator[Draft], signer: Signer
) -> None:
    outbox = Outbox(path)
    try:
        frozen = outbox.fill(drafts, manifest, signer=signer, network=NETWORK)
        key = signer.public_key
        send_batch(outbox, ledger, frozen, publisher=key, code="k3", parameters=parameters())
    finally:
        outbox.close()
