"""From judged questions to segments of the index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import polars as pl

from precisionchain.access.entries import Failed, Refused, Result
from precisionchain.access.index.numbering import PERSON_SCHEMA, AlleleNumbers, PersonNumbers
from precisionchain.access.index.runs import Int32s, Ints, block_keys, runs_of
from precisionchain.access.index.segment import (
    CONTRIBUTED,
    PIECE_SCHEMA,
    QUESTION_SCHEMA,
    RETURNED,
    VARIANTS,
    Segment,
)
from precisionchain.access.judge import Judge, Question, Waiting
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.access.sealing import Keyring
from precisionchain.errors import CodecError
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.membership import Membership
from precisionchain.schemas.distinct import distinct

OPEN_SCHEMA: Final[dict[str, Any]] = {**QUESTION_SCHEMA, "places": pl.String}
"""Questions without an outcome; ``places`` is JSON: (stream, position) of what is there of each."""
_VARIANT_CODE: Final = 0


def code_of(kind: int, site: int) -> int:
    """Return the code that block keys carry: of variants, or of persons of a site by kind."""
    return _VARIANT_CODE if kind == VARIANTS else 1 + 2 * site + kind


class Builder:
    """Collects resolved questions and gives them out as a segment.

    Args:
        known_persons: those numbered before, a row each, in order.
        known_alleles: likewise.
    """

    def __init__(self, known_persons: pl.DataFrame, known_alleles: pl.DataFrame) -> None:
        self._known_persons = known_persons
        self._persons: PersonNumbers | None = None
        self._alleles = AlleleNumbers(known_alleles)
        self._clear()

    def _clear(self) -> None:
        self._questions: list[tuple[Any, ...]] = []
        self._pieces: list[tuple[int, ...]] = []
        self._starts: list[Int32s] = []
        self._lengths: list[Int32s] = []
        self._shown_alleles: list[tuple[int, pl.DataFrame]] = []
        self.weight = 0

    def take(self, question: Question) -> None:
        """Add a question that has its outcome."""
        row = len(self._questions)
        self._questions.append(question_row(question))
        self.weight += 16
        outcome = question.outcome
        if not isinstance(outcome, Result):
            return
        for kind, persons in ((RETURNED, outcome.returned), (CONTRIBUTED, outcome.contributed)):
            if not persons:
                continue
            if self._persons is None:
                self._persons = PersonNumbers(self._known_persons)
            for code, numbers in self._persons.take(persons).items():
                _, starts, lengths = runs_of(numbers)
                self._add(row, kind, code, starts, lengths)
        if outcome.variants.height:
            self._shown_alleles.append((row, outcome.variants))
            self.weight += outcome.variants.height

    def _add(self, row: int, kind: int, code: int, starts: Ints, lengths: Ints) -> None:
        self._pieces.append((row, kind, code, starts.size, int(lengths.sum())))
        self._starts.append(starts.astype(np.int32))
        self._lengths.append(lengths.astype(np.int32))
        self.weight += starts.size

    def segment(self) -> Segment:
        """Return what was taken since the last segment as one."""
        self._number_alleles()
        none: list[Int32s] = [np.empty(0, np.int32)]
        pieces = pl.DataFrame(self._pieces, schema=dict(PIECE_SCHEMA), orient="row")
        starts = np.concatenate(self._starts or none)
        lengths = np.concatenate(self._lengths or none)
        tables = {
            "questions": pl.DataFrame(self._questions, schema=QUESTION_SCHEMA, orient="row"),
            "pieces": pieces,
            "runs": pl.DataFrame({"start": starts, "length": lengths}),
            "blocks": _blocks(pieces, starts, lengths),
            "persons": (self._persons or PersonNumbers()).new(),
            "alleles": self._alleles.new(),
        }
        self._clear()
        return Segment(tables)

    def _number_alleles(self) -> None:
        """Turn the variants of all questions into runs, in one look-up."""
        if not self._shown_alleles:
            return
        sizes = [alleles.height for _, alleles in self._shown_alleles]
        numbers = self._alleles.take(pl.concat([alleles for _, alleles in self._shown_alleles]))
        owners = np.repeat(np.array([row for row, _ in self._shown_alleles]), sizes)
        packed = distinct((owners << 32) | numbers)  # who wrote it may have listed one twice
        owners, numbers = packed >> 32, packed & (2**32 - 1)
        first, starts, lengths = runs_of(numbers, owners)
        rows, n_runs = np.unique(owners[first], return_counts=True)
        _, n_numbers = np.unique(owners, return_counts=True)
        counts = zip(rows.tolist(), n_runs.tolist(), n_numbers.tolist(), strict=True)
        self._pieces += [(row, VARIANTS, 0, runs, numbers) for row, runs, numbers in counts]
        self._starts.append(starts.astype(np.int32))
        self._lengths.append(lengths.astype(np.int32))


def empty_segment() -> Segment:
    """Return a segment of no question."""
    return Builder(
        pl.DataFrame(schema=dict(PERSON_SCHEMA)), pl.DataFrame(schema=ALLELE_SCHEMA)
    ).segment()


def _blocks(pieces: pl.DataFrame, starts: Int32s, lengths: Int32s) -> pl.DataFrame:
    """Return the inverse of the runs: a row a block of a run, by block."""
    kind, site = pieces["kind"].to_numpy(), pieces["site"].to_numpy()
    codes = np.where(kind == VARIANTS, _VARIANT_CODE, 1 + 2 * site + kind).astype(np.int64)
    n_runs = pieces["n_runs"].to_numpy()
    keys, runs = block_keys(np.repeat(codes, n_runs), starts, lengths)
    rows = np.repeat(pieces["row"].to_numpy(), n_runs)[runs]
    return pl.DataFrame({"key": keys, "row": rows.astype(np.int32)}).sort("key", "row")


def question_row(question: Question) -> tuple[Any, ...]:
    """Return a question as a row of `QUESTION_SCHEMA`."""
    request, outcome = question.request, question.outcome
    rows = returned = contributed = variants = error = digest = None
    match outcome:
        case Result():
            rows, digest, totals = outcome.rows, outcome.digest, outcome.totals
            returned, contributed, variants = totals.returned, totals.contributed, totals.variants
        case Failed(error=named) | Refused(error=named):
            error = named
    return (
        question.entry,
        question.time,
        request.user,
        question.site,
        request.operation,
        request.data,
        question.question_text,
        request.purpose,
        request.position,
        question.status,
        request.question_id,
        question.outcome_entry,
        question.outcome_time,
        rows,
        returned,
        contributed,
        variants,
        error,
        digest,
        question.sealed,
    )


class Reader:
    """Puts the items of the log through a judge, and what they resolve into a builder.

    Args:
        ledger: where the requests that were open before are read again.
        membership: who had which key.
        keyring: what can be opened.
        builder: takes the questions.
        still_open: the questions that had no outcome before, as `OPEN_SCHEMA`.
    """

    def __init__(
        self,
        ledger: Ledger,
        membership: Membership,
        keyring: Keyring,
        builder: Builder,
        still_open: pl.DataFrame,
    ) -> None:
        self._ledger, self._builder = ledger, builder
        self._judge = Judge(membership, keyring)
        self._open = still_open
        self._open_ids = set(still_open["question_id"])

    def take(self, items: Iterable[tuple[LedgerItem, bool]]) -> int | None:
        """Take items with whether they are signed; return the position of the last."""
        last = None
        for found, signed in items:
            for key in found.item.keys:
                if key[2:] in self._open_ids and key.startswith("q:"):
                    self._go_on(key[2:])
            try:
                question = self._judge.take(found, signed=signed)
            except CodecError:
                question = None
            if question is not None:
                self._builder.take(question)
            last = found.position
        return last

    def _go_on(self, question_id: str) -> None:
        """Read again what there is of a question that was left open."""
        self._open_ids.remove(question_id)
        here = pl.col("question_id") == question_id
        for places in self._open.filter(here)["places"]:
            for stream, position in json.loads(places):
                for found in self._ledger.items(stream, after=position - 1, limit=1):
                    self._judge.take(found)

    def still_open(self) -> pl.DataFrame:
        """Return the questions without an outcome, as `OPEN_SCHEMA`."""
        gone = set(self._open["question_id"]) - self._open_ids
        left = self._open.filter(~pl.col("question_id").is_in(gone)) if gone else self._open
        rows = [_open_row(waiting) for waiting in self._judge.waiting()]
        return pl.concat([left, pl.DataFrame(rows, schema=OPEN_SCHEMA, orient="row")]).sort("entry")


def _open_row(waiting: Waiting) -> tuple[Any, ...]:
    return (*question_row(waiting.question), json.dumps(waiting.places))
