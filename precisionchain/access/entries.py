"""Entries of the access log as values, and their payloads.

Normative text: ``docs/reference/access-log.md``.

A question leaves a `Request` before any record is read and one outcome before its answer is
released: a `Result`, a `Refused` or a `Failed`. All are single items of family ``ACCESS``, kind
``access``, signed by the user's own key. An outcome's batch id follows from its question, so the
ledger itself refuses a second outcome.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeAlias

from precisionchain.access.postings import (
    Alleles,
    Persons,
    allele_pieces,
    join_alleles,
    join_persons,
    no_alleles,
    person_pieces,
    without,
)
from precisionchain.access.zstd_json import pack, unpack
from precisionchain.errors import CodecError
from precisionchain.schemas.items import Item, Payload
from precisionchain.schemas.json_payloads import value_payload

KIND = "access"
QUESTION_BYTES = 16
DATA_KINDS = frozenset({"clinical", "genetic", "access-log", "staging"})
PART_BYTES = 2**20
"""Text of one part of a result before compression: 1 MiB, so that no part nears an item's limit."""

_ENTRY_LABEL = b"precisionchain access entry 1\x00"
_ID_LENGTH = 2 * QUESTION_BYTES


@dataclass(frozen=True, slots=True)
class Request:
    """A question, before any record was read for it.

    ``question_id`` is 16 random bytes in hex; ``user_key`` the user's 32-byte public key (the
    item's publisher, not repeated in the body); ``time`` the user's clock, UTC; ``data`` one or
    more of `DATA_KINDS` joined by ``+``; ``question`` a JSON object; ``position`` the ledger
    position the answer is as of, None where none applies.
    """

    question_id: str
    user: str
    user_key: bytes
    time: datetime
    operation: str
    data: str
    question: Mapping[str, Any]
    purpose: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What an answer showed: nothing of it is repeated but who and which variants it was about.

    ``digest`` is SHA-256 in hex (`access.digest`). ``returned`` holds persons in the answer and
    ``contributed`` persons its numbers rest on that are not in it, by site, as sorted int64.
    """

    question_id: str
    rows: int
    digest: str
    returned: Persons = field(default_factory=dict)
    contributed: Persons = field(default_factory=dict)
    variants: Alleles = field(default_factory=no_alleles)


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


@dataclass(frozen=True, slots=True, eq=False)
class ResultPart:
    """One of the ``parts`` items that a result is stored as."""

    question_id: str
    part: int
    parts: int
    rows: int
    digest: str
    lists: Mapping[str, Any]


Outcome: TypeAlias = Result | Refused | Failed
Stored: TypeAlias = Request | ResultPart | Refused | Failed


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


# ---------------------------------------------------------------------------------------- encoding


def encode_request(request: Request) -> Payload:
    """Return a request's payload.

    Raises:
        CodecError: the question is not a JSON object.
    """
    body = {
        "entry": "request",
        "question_id": request.question_id,
        "user": request.user,
        "time": _timestamp(request.time),
        "operation": request.operation,
        "data": request.data,
        "question": dict(request.question),
        "purpose": request.purpose,
        "position": request.position,
    }
    return value_payload(KIND, body)


def encode_outcome(outcome: Outcome) -> list[Payload]:
    """Return the payloads of an outcome: one, or for a long result one a part, in order.

    Raises:
        CodecError: an allele with white space in it, or over `PART_BYTES` long.
    """
    if isinstance(outcome, Result):
        return _encode_result(outcome)
    body = {"question_id": outcome.question_id, "error": outcome.error}
    if isinstance(outcome, Refused):
        return [value_payload(KIND, {"entry": "refused", "message": outcome.message, **body})]
    return [value_payload(KIND, {"entry": "failed", **body})]


def _encode_result(result: Result) -> list[Payload]:
    apart = without(result.contributed, result.returned)
    pieces = [
        *(("returned", piece) for piece in person_pieces(result.returned)),
        *(("contributed", piece) for piece in person_pieces(apart)),
        *(("variants", piece) for piece in allele_pieces(result.variants)),
    ]
    parts = _fill(pieces)
    return [
        pack(
            KIND,
            {
                "entry": "result",
                "question_id": result.question_id,
                "part": index,
                "parts": len(parts),
                "rows": result.rows,
                "digest": result.digest,
                **lists,
            },
        )
        for index, lists in enumerate(parts)
    ]


def _fill(pieces: Sequence[tuple[str, list[str]]]) -> list[dict[str, list[list[str]]]]:
    """Put pieces, in order, into as few parts of at most `PART_BYTES` as that order allows."""
    parts: list[dict[str, list[list[str]]]] = [{}]
    size = 0
    for name, piece in pieces:
        length = sum(map(len, piece))
        if size and size + length > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1].setdefault(name, []).append(piece)
        size += length
    return parts


# ---------------------------------------------------------------------------------------- decoding


def decode(item: Item) -> Stored:
    """Return what an access item holds; signature and entitlement are not judged here.

    Raises:
        CodecError: it is no access entry of this format.
    """
    if item.payload.kind != KIND:
        raise CodecError(f"an item of kind {item.payload.kind!r} in the access log")
    body = unpack(item.payload)
    try:
        return _decode(body, item.publisher)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError("an access entry with members that are missing or malformed") from error


def _decode(body: Mapping[str, Any], publisher: bytes) -> Stored:
    question_id = _checked_id(body["question_id"])
    match body["entry"]:
        case "request":
            return Request(
                question_id,
                _text(body["user"]),
                publisher,
                _moment(body["time"]),
                _text(body["operation"]),
                _text(body["data"]),
                dict(body["question"]),
                None if body["purpose"] is None else _text(body["purpose"]),
                None if body["position"] is None else int(body["position"]),
            )
        case "result":
            lists = {
                name: body[name] for name in ("returned", "contributed", "variants") if name in body
            }
            part, parts = int(body["part"]), int(body["parts"])
            if not 0 <= part < parts:
                raise ValueError("part")
            digest = _text(body["digest"])
            return ResultPart(question_id, part, parts, int(body["rows"]), digest, lists)
        case "refused":
            return Refused(question_id, _text(body["error"]), _text(body["message"]))
        case "failed":
            return Failed(question_id, _text(body["error"]))
    raise ValueError("entry")


def join_result(parts: Sequence[ResultPart]) -> Result:
    """Return the result that its parts, in any order, hold.

    Raises:
        CodecError: a part is missing, or they contradict each other.
    """
    parts = sorted(parts, key=lambda part: part.part)
    first = parts[0]
    if [part.part for part in parts] != list(range(first.parts)) or any(
        (part.parts, part.rows, part.digest) != (first.parts, first.rows, first.digest)
        for part in parts
    ):
        raise CodecError("the parts of a result do not fit each other")
    try:
        return Result(
            first.question_id,
            first.rows,
            first.digest,
            join_persons(piece for part in parts for piece in part.lists.get("returned", ())),
            join_persons(piece for part in parts for piece in part.lists.get("contributed", ())),
            join_alleles(piece for part in parts for piece in part.lists.get("variants", ())),
        )
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CodecError("a result's lists cannot be read") from error


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("time")
    return time.astimezone(UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _checked_id(value: Any) -> str:
    if len(_text(value)) != _ID_LENGTH or bytes.fromhex(value).hex() != value:
        raise ValueError("question id")
    return str(value)
