r"""Keys that the access log is sealed with: who asks, and whoever may read that, can derive them.

::

    log key       K = HKDF-SHA256(X25519(user, user), "precisionchain log key 1\0" | key id)
    key id        SHA-256("precisionchain log key id 1\0" | user key | readers, ascending)[:16]
    question      Q = HKDF(K, "precisionchain question 1\0" | question id)
    of a part     HKDF(Q, "precisionchain section 1\0" | section), section = "question" or a site
    grant         ChaCha20-Poly1305 of (question's key | site's key) under
                  HKDF(X25519(user, site), "precisionchain grant 1\0" | question id | site)

A *log key* opens all that one user asked, for as long as the auditors stay the same: an item of
kind ``log-key`` holds it, wrapped for the user's own site and for each auditor. A site whose
persons an answer returned or rests on, and which is neither, opens the question and the list of its
own persons, by a grant in the result itself. Nothing here is remembered: every key follows from the
holder's own key file and from what is on the ledger.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from precisionchain.errors import CodecError
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.canonical import parse_canonical
from precisionchain.schemas.items import Payload
from precisionchain.schemas.json_payloads import value_payload

LOG_KEY_KIND: Final = "log-key"
KEY_ID_BYTES: Final = 16
_KEY_BYTES: Final = 32
_QUESTION: Final = "question"

_KEY_LABEL: Final = b"precisionchain log key 1\x00"
_KEY_ID_LABEL: Final = b"precisionchain log key id 1\x00"
_WRAP_LABEL: Final = b"precisionchain log key wrap 1\x00"
_QUESTION_LABEL: Final = b"precisionchain question 1\x00"
_SECTION_LABEL: Final = b"precisionchain section 1\x00"
_GRANT_LABEL: Final = b"precisionchain grant 1\x00"
_BATCH_LABEL: Final = b"precisionchain log key item 1\x00"
_ONLY: Final = bytes(12)
"""The nonce under a key that encrypts one text."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """A user's log key; ``readers`` are the encryption keys it is wrapped for, ascending."""

    key_id: bytes
    key: bytes
    readers: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, signer: Signer, readers: Collection[bytes]) -> LogKey:
        """Return a user's log key for some readers: always the same for the same ones."""
        ordered = tuple(sorted(set(readers)))
        key_id = sha256(_KEY_ID_LABEL + signer.public_key + b"".join(ordered)).digest()
        key_id = key_id[:KEY_ID_BYTES]
        own = signer.exchange(signer.encryption_key)
        return cls(key_id, _derived(own, _KEY_LABEL + key_id), ordered)

    @property
    def batch_id(self) -> bytes:
        """The batch id of its item: so that it is on the ledger once."""
        return batch_of(self.key_id)

    def payload(self, signer: Signer) -> Payload:
        """Return the key wrapped for each reader, to be signed by the user it is of."""
        wrapped = {
            reader.hex(): _encrypted(self._wrapping(signer, reader), self.key).hex()
            for reader in self.readers
        }
        body = {
            "from": signer.encryption_key.hex(),
            "key_id": self.key_id.hex(),
            "readers": wrapped,
        }
        return value_payload(LOG_KEY_KIND, body)

    def _wrapping(self, signer: Signer, reader: bytes) -> bytes:
        return _derived(signer.exchange(reader), _WRAP_LABEL + self.key_id)

    def question(self, question_id: str) -> QuestionKeys:
        """Return the keys of one question."""
        return QuestionKeys(_derived(self.key, _QUESTION_LABEL + bytes.fromhex(question_id)))


@dataclass(frozen=True)
class QuestionKeys:
    """The keys of one question: of what is asked, and of each site's list of persons.

    ``secret`` is None for a site that has only what it was granted.
    """

    secret: bytes | None
    granted: Mapping[str, bytes] | None = None

    @cached_property
    def question(self) -> bytes:
        """The key of what was asked, of which variants, and of the digest.

        Raises:
            KeyError: it was not granted.
        """
        return self._section(_QUESTION)

    def of_site(self, site: str) -> bytes:
        """Return the key of a site's list of persons.

        Raises:
            KeyError: it was not granted.
        """
        return self._section(f"site {site}")

    def opens(self, site: str) -> bool:
        """Return whether a site's list can be opened."""
        return self.secret is not None or f"site {site}" in (self.granted or {})

    def _section(self, name: str) -> bytes:
        if self.secret is not None:
            return _derived(self.secret, _SECTION_LABEL + name.encode())
        return (self.granted or {})[name]

    def grant(self, signer: Signer, question_id: str, site: str, encryption_key: bytes) -> bytes:
        """Return the two keys a site needs, for this site alone: 80 bytes.

        Args:
            signer: the user who asked.
            question_id: 32 hex digits.
            site: the site's name.
            encryption_key: the site's.
        """
        key = _granting(signer, question_id, site, encryption_key)
        return _encrypted(key, self.question + self.of_site(site))


class Keyring:
    """What a site folder can open: by the keys in it, and by the log keys wrapped for these.

    Args:
        signers: the site's key, and those of users; also ones that were replaced.
        sites: the names of the site, as grants are made to it.
    """

    def __init__(self, signers: Iterable[Signer] = (), sites: Collection[str] = ()) -> None:
        self._signers = {signer.encryption_key: signer for signer in signers}
        self._sites = tuple(sites)
        self._keys: dict[tuple[bytes, bytes], LogKey] = {}

    def learn(self, publisher: bytes, payload: Payload) -> None:
        """Take a log key that is wrapped for one of these keys; others are passed over.

        Args:
            publisher: the public key of the user whose item it is, and who alone seals with it.
            payload: of kind ``log-key``.

        Raises:
            CodecError: the payload is no log key, or is wrapped for one of these and does not open.
        """
        key_id, sender, readers = _read(payload)
        if (publisher, key_id) in self._keys:
            return
        for reader, wrapped in readers.items():
            signer = self._signers.get(reader)
            if signer is not None:
                shared = signer.exchange(sender)
                key = _decrypted(_derived(shared, _WRAP_LABEL + key_id), wrapped)
                self._keys[publisher, key_id] = LogKey(key_id, key)
                return

    def question(self, publisher: bytes, key_id: bytes, question_id: str) -> QuestionKeys | None:
        """Return the keys of a question that was sealed under a user's log key, None if that is
        not known here.
        """
        key = self._keys.get((publisher, key_id))
        return None if key is None else key.question(question_id)

    def granted(
        self, sender: bytes, question_id: str, grants: Mapping[str, bytes]
    ) -> QuestionKeys | None:
        """Return the keys that a result grants one of these sites, None if it does not.

        Args:
            sender: the encryption key of the user who asked.
            question_id: 32 hex digits.
            grants: by site.

        Raises:
            CodecError: a grant to this site that nobody can open.
        """
        for site in self._sites:
            if site not in grants:
                continue
            for signer in self._signers.values():
                try:
                    key = _granting(signer, question_id, site, sender)
                    both = _decrypted(key, grants[site])
                except CodecError:
                    continue
                return QuestionKeys(
                    None, {_QUESTION: both[:_KEY_BYTES], f"site {site}": both[_KEY_BYTES:]}
                )
            raise CodecError("a grant that its site cannot open")
        return None

    @property
    def digest(self) -> bytes:
        """What tells keyrings apart that open different things: of the keys, not of log keys."""
        return sha256(b"".join(sorted(self._signers))).digest()


def batch_of(key_id: bytes) -> bytes:
    """Return the batch id of a log key's item."""
    return sha256(_BATCH_LABEL + key_id).digest()


def read_key_id(payload: Payload) -> bytes:
    """Return the id of the log key in a payload.

    Raises:
        CodecError: it is no log key.
    """
    return _read(payload)[0]


def seal(key: bytes, number: int, text: bytes, context: bytes) -> bytes:
    """Return a text encrypted and authenticated, 16 bytes longer.

    Args:
        key: 32 bytes, of one question.
        number: tells texts under this key apart; each is used once.
        text: what is sealed.
        context: what it belongs to; the same is needed to open it.
    """
    return ChaCha20Poly1305(key).encrypt(struct.pack("<4xQ", number), text, context)


def unseal(key: bytes, number: int, sealed: bytes, context: bytes) -> bytes:
    """Return what `seal` sealed.

    Raises:
        CodecError: it was sealed otherwise, or changed.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(struct.pack("<4xQ", number), sealed, context)
    except InvalidTag as error:
        raise CodecError("a sealed text that its key does not open") from error


def _granting(signer: Signer, question_id: str, site: str, peer: bytes) -> bytes:
    context = _GRANT_LABEL + bytes.fromhex(question_id) + site.encode()
    return _derived(signer.exchange(peer), context)


def _read(payload: Payload) -> tuple[bytes, bytes, dict[bytes, bytes]]:
    if payload.kind != LOG_KEY_KIND:
        raise CodecError(f"a {payload.kind} payload where a log key is expected")
    body = parse_canonical(payload.body)
    try:
        readers = {bytes.fromhex(k): bytes.fromhex(v) for k, v in body["readers"].items()}
        return bytes.fromhex(body["key_id"]), bytes.fromhex(body["from"]), readers
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError("a log key with members that are missing or malformed") from error


def _derived(secret: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret)


def _encrypted(key: bytes, text: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(_ONLY, text, None)


def _decrypted(key: bytes, sealed: bytes) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(_ONLY, sealed, None)
    except InvalidTag as error:
        raise CodecError("a key that is wrapped for somebody else, or changed") from error
