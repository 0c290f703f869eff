"""Join tokens: the same line again, and no line that anybody changed."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import JoinTokenError
from precisionchain.ledger.join_token import JoinToken
from precisionchain.ledger.records import User
from precisionchain.ledger.signing import Signer, is_signed
from precisionchain.schemas.roles import ROLES

NETWORK = bytes(range(32))
SITE, USER, OTHER = (Signer(bytes([n]) * 32) for n in (1, 2, 3))
ADDRESSES = {"publish": "1aXyZ", "access": "1b", "admin": "1c"}
TOKEN = JoinToken.make(NETWORK, "B", SITE, USER.public, ADDRESSES)
TEXT = str(TOKEN)
EMBEDDED = JoinToken.make(NETWORK, "B", SITE, USER.public)


def written(site: str, body: bytes) -> str:
    """A token with a checksum that fits, as somebody who knows the format would write it."""
    coded = base64.urlsafe_b64encode(body).decode().rstrip("=")
    checksum = sha256(f"pcjoin2.{site}.{coded}".encode()).hexdigest()[:8]
    return f"pcjoin2.{site}.{coded}.{checksum}"


def test_a_token_is_one_printable_line_and_reads_back() -> None:
    assert TEXT.isascii()
    assert TEXT.isprintable()
    assert not any(letter.isspace() for letter in TEXT)
    assert len(str(EMBEDDED)) < 440
    assert JoinToken.parse(str(EMBEDDED)) == EMBEDDED
    assert EMBEDDED.addresses == {}
    assert JoinToken.parse(TEXT) == JoinToken.parse(f"  {TEXT}\r\n") == TOKEN
    assert str(JoinToken.make(NETWORK, "B", SITE, USER.public, ADDRESSES)) == TEXT


def test_a_token_holds_the_record_of_the_first_user_signed() -> None:
    item = JoinToken.parse(TEXT).first_user()
    assert item.publisher == SITE.public_key
    assert item.payload.body == User("admin@B", "B", *USER.public, ROLES).body()
    assert is_signed(item, NETWORK)
    assert not is_signed(item, bytes(32))


WRITTEN = b'{"access":"1b","admin":"1c","publish":"1aXyZ"}'
KEYS = b"".join((NETWORK, *SITE.public, *USER.public))
SIGNATURES = TOKEN.user_signature + TOKEN.signature
BODY = KEYS + SIGNATURES + WRITTEN
OTHERS = JoinToken.make(NETWORK, "B", OTHER, USER.public, ADDRESSES)
CHANGED = {
    "another network": written("B", bytes(32) + BODY[32:]),
    "another site": written("C", BODY),
    "another site's key": written("B", NETWORK + OTHER.public_key + BODY[64:]),
    "another key to encrypt to": written("B", BODY[:64] + OTHER.encryption_key + BODY[96:]),
    "another user's key": written("B", BODY[:96] + OTHER.public_key + BODY[128:]),
    "another key to encrypt to a user": written(
        "B", BODY[:128] + OTHER.encryption_key + BODY[160:]
    ),
    "another signature of the user": written("B", BODY[:223] + bytes([BODY[223] ^ 1]) + BODY[224:]),
    "another signature": written("B", BODY[:287] + bytes([BODY[287] ^ 1]) + BODY[288:]),
    "the user signed by somebody else": written("B", KEYS + OTHERS.user_signature + BODY[224:]),
    "signed by somebody else": written(
        "B", KEYS + OTHERS.user_signature + OTHERS.signature + WRITTEN
    ),
    "another address": written("B", BODY.replace(b"1aXyZ", b"1aXyz")),
    "no addresses": written("B", BODY.replace(WRITTEN, b"{}")),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_a_token_says_cannot_be_changed(name: str) -> None:
    assert written("B", BODY) == TEXT
    with pytest.raises(JoinTokenError, match="not signed by the key it names"):
        JoinToken.parse(CHANGED[name])


DAMAGED = {
    "": "no join token",
    "hello": "no join token",
    "pcjoin": "another version",
    TEXT.replace("pcjoin2", "pcjoin1"): "another version",
    TEXT[:-1]: "damaged",
    TEXT[:100]: "damaged",
    TEXT + "0": "damaged",
    TEXT.replace(".B.", ".b."): "damaged",
    TEXT + "." + TEXT: "damaged",
    written("B", BODY[:-1]): "damaged",
    written("B", BODY + b"\0"): "damaged",
    written("B", BODY.replace(b"publish", b"secrets")): "damaged",
    written("B", BODY.replace(b"1aXyZ", b"1a yZ")): "damaged",
    written("B", BODY.replace(WRITTEN, b'["1b"]')): "damaged",
    written("B C", BODY): "damaged",
    "pcjoin2.B.é." + sha256("pcjoin2.B.é".encode()).hexdigest()[:8]: "damaged",
}


@pytest.mark.parametrize("text", DAMAGED)
def test_what_is_no_whole_token_is_refused(text: str) -> None:
    with pytest.raises(JoinTokenError, match=DAMAGED[text]) as caught:
        JoinToken.parse(text)
    assert caught.value.exit_code == 2


@given(st.integers(0, len(TEXT) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_any_other_letter_anywhere_is_noticed(at: int, letter: str) -> None:
    text = TEXT[:at] + letter + TEXT[at + 1 :]
    if text != TEXT:
        with pytest.raises(JoinTokenError):
            JoinToken.parse(text)
