"""Entries of the access log as values; their bodies are in `entry_bodies`.

Normative text: ``docs/reference/access-log.md``.

A question leaves a `Request` before any record is read and one outcome before its answer is
released: a `Result`, a `Refused` or a `Failed`. All are single items of family ``ACCESS``, kind
``access``, signed by the user's own key. An outcome's batch id follows from its question, so the
ledger itself refuses a second outcome.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeAlias

from precisionchain.access.postings import Alleles, Persons, count, no_alleles

KIND = "access"
QUESTION_BYTES = 16
DATA_KINDS = frozenset({"clinical", "genetic", "access-log", "staging"})
QUESTION = "question"
"""The section that everybody opens who opens anything: question, digest and variants."""
PART_BYTES = 2**20
"""Text of one part of a result before compression: 1 MiB, so that no part nears an item's limit."""

_ENTRY_LABEL = b"precisionchain access entry 1\x00"


@dataclass(frozen=True, slots=True)
class Request:
    """A question, before any record was read for it.

    ``question_id`` is 16 random bytes in hex; ``user_key`` the user's 32-byte public key (the
    item's publisher, not repeated in the body); ``time`` the user's clock, UTC; ``data`` one or
    more of `DATA_KINDS` joined by ``+``; ``question`` a JSON object; ``position`` the ledger
    position the answer is as of, None where none applies.

    As read, ``question`` and ``purpose`` are None where they are sealed from the reader.
    """

    question_id: str
    user: str
    user_key: bytes
    time: datetime
    operation: str
    data: str
    question: Mapping[str, Any] | None
    purpose: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """How many persons and variants an answer's lists hold, which stands in clear."""

    returned: int
    contributed: int
    variants: int

    @classmethod
    def of(cls, returned: Persons, contributed: Persons, variants: Alleles) -> Totals:
        """Return the lengths of lists."""
        return cls(count(returned), count(contributed), variants.height)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What an answer showed: nothing of it is repeated but who and which variants it was about.

    ``digest`` is SHA-256 in hex (`access.digest`). ``returned`` holds persons in the answer and
    ``contributed`` persons its numbers rest on that are not in it, by site, as sorted int64.

    As read, ``said`` is how long the lists are in all, and ``sealed`` names what the reader could
    not open: sites whose persons are in the lists, and `QUESTION` for digest and variants.
    """

    question_id: str
    rows: int
    digest: str | None
    returned: Persons = field(default_factory=dict)
    contributed: Persons = field(default_factory=dict)
    variants: Alleles = field(default_factory=no_alleles)
    said: Totals | None = None
    sealed: frozenset[str] = frozenset()

    @property
    def totals(self) -> Totals:
        """How many persons and variants the answer was about, opened or not."""
        return self.said or Totals.of(self.returned, self.contributed, self.variants)


@dataclass(frozen=True, slots=True)
class Refused:
    """The gate or the question's own form refused it. ``message`` says what the class means."""

    question_id: str
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Evaluation broke off. Only the error's class: its text might quote a record."""

    question_id: str
    error: str


Outcome: TypeAlias = Result | Refused | Failed


def new_question_id() -> str:
    """Return a fresh question id, 32 hex digits."""
    return secrets.token_hex(QUESTION_BYTES)


def user_key(user: str) -> str:
    """Return the item key of a user's entries."""
    return f"u:{user}"


def question_key(question_id: str) -> str:
    """Return the item key of a question's entries."""
    return f"q:{question_id}"


def request_batch(question_id: str) -> bytes:
    """Return the batch id of a question's request."""
    return sha256(_ENTRY_LABEL + bytes.fromhex(question_id) + b"request").digest()


def outcome_batch(question_id: str, part: int = 0) -> bytes:
    """Return the batch id of a part of a question's one outcome."""
    return sha256(_ENTRY_LABEL + bytes.fromhex(question_id) + b"outcome %d" % part).digest()
