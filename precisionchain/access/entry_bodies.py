r"""Bodies of access entries: what stands in clear, and what is sealed for whom.

::

    body     = header length u32 | header, canonical JSON | section | section | ...
    section  = ChaCha20-Poly1305, sealed by a key of the question (``access.sealing``)

In clear, in the header: who asked when, by which operation, of which kind of data, and how much the
answer holds. Sealed: the question and its purpose; the answer's digest and variants; and, a section
a site, its persons. Layouts: ``docs/reference/access-log.md``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from precisionchain.access.entries import (
    KIND,
    PART_BYTES,
    QUESTION,
    QUESTION_BYTES,
    Failed,
    Outcome,
    Refused,
    Request,
    Result,
    Totals,
)
from precisionchain.access.postings import (
    allele_pieces,
    join_alleles,
    join_persons,
    person_pieces,
    without,
)
from precisionchain.access.sealing import Keyring, LogKey, QuestionKeys, seal, unseal
from precisionchain.access.zstd_json import pack, unpack
from precisionchain.errors import CodecError
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Codec, Item, Payload
from precisionchain.schemas.json_payloads import value_payload

_CONTEXT: Final = b"precisionchain access section 1\x00"
_LENGTH: Final = struct.Struct("<I")
_ID_LENGTH: Final = 2 * QUESTION_BYTES
_OF_REQUEST: Final = 0
_OF_SITE: Final = "site "
_Lists: TypeAlias = dict[str, list[list[str]]]


@dataclass(frozen=True, slots=True)
class Sealing:
    """How one user seals: the user's key, log key, and whom results are granted to.

    ``sites`` holds the encryption keys of the members that are granted what they contribute, by
    name: all but the user's own, which has the log key.
    """

    signer: Signer
    key: LogKey
    sites: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultPart:
    """One of the ``parts`` items that a result is stored as, as far as it could be opened.

    ``digest`` is None where it could not; ``lists`` holds pieces of lists by name and, for persons,
    site: ``("returned", "A")``; ``sealed`` names what stayed shut: sites, and `QUESTION`;
    ``granted`` holds the keys that the result itself brought.
    """

    question_id: str
    part: int
    parts: int
    rows: int
    totals: Totals
    digest: str | None
    lists: Mapping[tuple[str, str], Sequence[list[str]]]
    sealed: frozenset[str] = frozenset()
    granted: QuestionKeys | None = None


Stored: TypeAlias = Request | ResultPart | Refused | Failed


# ---------------------------------------------------------------------------------------- encoding


def encode_request(request: Request, sealing: Sealing) -> Payload:
    """Return a request's payload, its question and purpose sealed.

    Raises:
        CodecError: the question is not a JSON object.
    """
    asked = {"question": dict(request.question or {}), "purpose": request.purpose}
    key = sealing.key.question(request.question_id).question
    section = seal(key, _OF_REQUEST, canonical_json(asked), _context(request.question_id, QUESTION))
    header = {
        "entry": "request",
        "question_id": request.question_id,
        "user": request.user,
        "time": _timestamp(request.time),
        "operation": request.operation,
        "data": request.data,
        "position": request.position,
    }
    return _body(header, [section], sealing.key)


def encode_outcome(outcome: Outcome, sealing: Sealing) -> list[Payload]:
    """Return the payloads of an outcome: one, or for a long result one a part, in order.

    Raises:
        CodecError: an allele with white space in it, or over `PART_BYTES` long.
    """
    if isinstance(outcome, Result):
        return _encode_result(outcome, sealing)
    body = {"question_id": outcome.question_id, "error": outcome.error}
    if isinstance(outcome, Refused):
        return [value_payload(KIND, {"entry": "refused", "message": outcome.message, **body})]
    return [value_payload(KIND, {"entry": "failed", **body})]


def _encode_result(result: Result, sealing: Sealing) -> list[Payload]:
    apart = without(result.contributed, result.returned)
    keys = sealing.key.question(result.question_id)
    pieces = [
        *((QUESTION, "variants", piece) for piece in allele_pieces(result.variants)),
        *((_OF_SITE + p[0], "returned", p[1:]) for p in person_pieces(result.returned)),
        *((_OF_SITE + p[0], "contributed", p[1:]) for p in person_pieces(apart)),
    ]
    parts = _fill(pieces)
    parts[0].setdefault(QUESTION, {})
    of_sites = {*result.returned, *apart} & set(sealing.sites)
    grants = {
        site: keys.grant(sealing.signer, result.question_id, site, sealing.sites[site]).hex()
        for site in sorted(of_sites)
    }
    totals = Totals.of(result.returned, apart, result.variants)
    payloads = []
    for number, sections in enumerate(parts):
        header: dict[str, Any] = {
            "entry": "result",
            "question_id": result.question_id,
            "part": number,
            "parts": len(parts),
            "rows": result.rows,
            "totals": [totals.returned, totals.contributed, totals.variants],
            "grants": grants,
        }
        sealed = {}
        for name, lists in sections.items():
            said = {**lists, "digest": result.digest} if name == QUESTION else lists
            key, context = _key(keys, name), _context(result.question_id, name)
            sealed[name] = seal(key, 1 + number, pack(KIND, said).body, context)
        header["sections"] = [[name, len(section)] for name, section in sealed.items()]
        payloads.append(_body(header, list(sealed.values()), sealing.key))
    return payloads


def _fill(pieces: Sequence[tuple[str, str, list[str]]]) -> list[dict[str, _Lists]]:
    """Put pieces, in order, into as few parts of at most `PART_BYTES` as that order allows."""
    parts: list[dict[str, _Lists]] = [{}]
    size = 0
    for section, name, piece in pieces:
        length = sum(map(len, piece))
        if size and size + length > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1].setdefault(section, {}).setdefault(name, []).append(piece)
        size += length
    return parts


def _body(header: Mapping[str, Any], sections: Sequence[bytes], key: LogKey) -> Payload:
    text = canonical_json(dict(header))
    body = b"".join((_LENGTH.pack(len(text)), text, *sections))
    return Payload(KIND, Codec.RAW, body, key_id=key.key_id)


# ---------------------------------------------------------------------------------------- decoding


def decode(item: Item, keyring: Keyring, sender: bytes | None = None) -> Stored:
    """Return what an access item holds, as far as a keyring opens it.

    Signature and entitlement are not judged here.

    Args:
        item: of kind ``access``.
        keyring: what can be opened.
        sender: the encryption key of the user whose item it is; needed for grants.

    Raises:
        CodecError: it is no access entry of this format, or does not open with its key.
    """
    if item.payload.kind != KIND:
        raise CodecError(f"an item of kind {item.payload.kind!r} in the access log")
    try:
        if item.payload.codec is not Codec.RAW:
            return _without_answer(unpack(item.payload))
        header, sections = _parted(item.payload.body)
        question_id = _checked_id(header["question_id"])
        keys = keyring.question(item.publisher, item.payload.key_id, question_id)
        if header["entry"] == "request":
            return _request(header, sections, keys, item.publisher)
        if header["entry"] == "result":
            if keys is not None or sender is None:
                return _part(header, sections, keys)
            grants = {site: bytes.fromhex(box) for site, box in header["grants"].items()}
            granted = keyring.granted(sender, question_id, grants)
            return replace(_part(header, sections, granted), granted=granted)
    except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise CodecError("an access entry with members that are missing or malformed") from error
    raise CodecError("an access entry of no known word")


def reopened(item: Item, keys: QuestionKeys) -> Request:
    """Return a request with what keys that came later open of it.

    Raises:
        CodecError: it does not open.
    """
    header, section = _parted(item.payload.body)
    return _request(header, section, keys, item.publisher)


def _parted(body: bytes) -> tuple[Mapping[str, Any], bytes]:
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    if end > len(body):
        raise ValueError("header")
    return parse_canonical(body[_LENGTH.size : end]), body[end:]


def _request(
    header: Mapping[str, Any], section: bytes, keys: QuestionKeys | None, publisher: bytes
) -> Request:
    question_id = header["question_id"]
    asked: Mapping[str, Any] = {"question": None, "purpose": None}
    if keys is not None:
        context = _context(question_id, QUESTION)
        asked = parse_canonical(unseal(keys.question, _OF_REQUEST, section, context))
    return Request(
        question_id,
        _text(header["user"]),
        publisher,
        _moment(header["time"]),
        _text(header["operation"]),
        _text(header["data"]),
        None if keys is None else dict(asked["question"]),
        None if asked["purpose"] is None else _text(asked["purpose"]),
        None if header["position"] is None else int(header["position"]),
    )


def _part(header: Mapping[str, Any], sections: bytes, keys: QuestionKeys | None) -> ResultPart:
    question_id = header["question_id"]
    part, parts = int(header["part"]), int(header["parts"])
    if not 0 <= part < parts:
        raise ValueError("part")
    digest = None
    lists: dict[tuple[str, str], Sequence[list[str]]] = {}
    shut = set()
    for name, section in _sections(header, sections):
        site = name.removeprefix(_OF_SITE)
        if keys is None or not (name == QUESTION or keys.opens(site)):
            shut.add(site)
            continue
        text = unseal(_key(keys, name), 1 + part, section, _context(question_id, name))
        said = unpack(Payload(KIND, Codec.JSON_ZSTD, text))
        if name == QUESTION:
            digest = _text(said["digest"])
            lists["variants", ""] = said.get("variants", [])
        else:
            for kind in ("returned", "contributed"):
                lists[kind, site] = said.get(kind, [])
    totals = Totals(*(int(number) for number in header["totals"]))
    rows = int(header["rows"])
    return ResultPart(question_id, part, parts, rows, totals, digest, lists, frozenset(shut))


def _sections(header: Mapping[str, Any], sections: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    for name, length in header["sections"]:
        yield _text(name), sections[at : at + int(length)]
        at += int(length)
    if at != len(sections):
        raise ValueError("sections")


def _without_answer(body: Mapping[str, Any]) -> Refused | Failed:
    question_id = _checked_id(body["question_id"])
    if body["entry"] == "refused":
        return Refused(question_id, _text(body["error"]), _text(body["message"]))
    if body["entry"] == "failed":
        return Failed(question_id, _text(body["error"]))
    raise ValueError("entry")


def join_result(parts: Sequence[ResultPart]) -> Result:
    """Return the result that its parts, in any order, hold.

    Raises:
        CodecError: a part is missing, they contradict each other, or hold what they do not say.
    """
    parts = sorted(parts, key=lambda part: part.part)
    first = parts[0]
    if [part.part for part in parts] != list(range(first.parts)) or any(
        (part.parts, part.rows, part.totals) != (first.parts, first.rows, first.totals)
        for part in parts
    ):
        raise CodecError("the parts of a result do not fit each other")
    try:
        result = Result(
            first.question_id,
            first.rows,
            first.digest,
            join_persons(_pieces(parts, "returned")),
            join_persons(_pieces(parts, "contributed")),
            join_alleles(_pieces(parts, "variants")),
            first.totals,
            frozenset().union(*(part.sealed for part in parts)),
        )
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CodecError("a result's lists cannot be read") from error
    held = Totals.of(result.returned, result.contributed, result.variants)
    if not result.sealed and held != first.totals:
        raise CodecError("a result's lists are not as long as it says")
    return result


def _pieces(parts: Sequence[ResultPart], wanted: str) -> Iterator[list[str]]:
    for part in parts:
        for (name, site), pieces in part.lists.items():
            if name == wanted:
                yield from ([site, *piece] if site else piece for piece in pieces)


# ------------------------------------------------------------------------------------------- words


def _key(keys: QuestionKeys, section: str) -> bytes:
    return keys.question if section == QUESTION else keys.of_site(section.removeprefix(_OF_SITE))


def _context(question_id: str, section: str) -> bytes:
    return _CONTEXT + bytes.fromhex(question_id) + section.encode()


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
