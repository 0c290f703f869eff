"""Who can open what of a question: the user's site, auditors, sites that contributed, nobody."""

from __future__ import annotations

import pytest

from precisionchain.access.sealing import Keyring, LogKey, QuestionKeys, seal, unseal
from precisionchain.errors import CodecError
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import Codec, Payload

ASKING, OWN_SITE, AUDITOR, OTHER_SITE, STRANGER = (Signer(bytes([n]) * 32) for n in range(1, 6))
QUESTION = "0f" * 16
READERS = [OWN_SITE.encryption_key, AUDITOR.encryption_key]


def _key() -> LogKey:
    return LogKey.of(ASKING, READERS)


def _opened(signer: Signer) -> QuestionKeys | None:
    ring = Keyring([signer])
    ring.learn(ASKING.public_key, _key().payload(ASKING))
    return ring.question(ASKING.public_key, _key().key_id, QUESTION)


@pytest.mark.parametrize("reader", [OWN_SITE, AUDITOR])
def test_a_reader_has_every_key_of_the_question(reader: Signer) -> None:
    found, made = _opened(reader), _key().question(QUESTION)
    assert found is not None
    assert found.question == made.question
    assert found.of_site("B") == made.of_site("B")
    assert found.opens("B")


@pytest.mark.parametrize("other", [OTHER_SITE, STRANGER])
def test_whoever_it_is_not_wrapped_for_has_none(other: Signer) -> None:
    assert _opened(other) is None


def test_the_order_of_readers_is_of_no_account() -> None:
    again = LogKey.of(ASKING, list(reversed(READERS)) + READERS)
    assert again == _key()
    assert again.payload(ASKING) == _key().payload(ASKING)


def test_another_auditor_is_another_key() -> None:
    more = LogKey.of(ASKING, [*READERS, STRANGER.encryption_key])
    assert more.key_id != _key().key_id
    assert more.key != _key().key


def test_keys_of_questions_sections_and_sites_all_differ() -> None:
    questions = [_key().question(QUESTION), _key().question("1f" * 16)]
    keys = [key for q in questions for key in (q.question, q.of_site("A"), q.of_site("B"))]
    assert len(set(keys)) == len(keys)


def test_a_site_that_contributed_opens_the_question_and_its_own_list_alone() -> None:
    made = _key().question(QUESTION)
    grants = {"B": made.grant(ASKING, QUESTION, "B", OTHER_SITE.encryption_key)}
    found = Keyring([OTHER_SITE], ["B"]).granted(ASKING.encryption_key, QUESTION, grants)
    assert found is not None
    assert found.question == made.question
    assert found.of_site("B") == made.of_site("B")
    assert not found.opens("A")
    with pytest.raises(KeyError):
        found.of_site("A")


def test_a_grant_is_of_no_use_to_others() -> None:
    made = _key().question(QUESTION)
    grants = {"B": made.grant(ASKING, QUESTION, "B", OTHER_SITE.encryption_key)}
    assert Keyring([STRANGER], ["C"]).granted(ASKING.encryption_key, QUESTION, grants) is None
    with pytest.raises(CodecError):
        Keyring([STRANGER], ["B"]).granted(ASKING.encryption_key, QUESTION, grants)
    with pytest.raises(CodecError):
        Keyring([OTHER_SITE], ["B"]).granted(ASKING.encryption_key, "1f" * 16, grants)


def test_a_key_that_was_replaced_still_opens() -> None:
    ring = Keyring([STRANGER, OWN_SITE])
    ring.learn(ASKING.public_key, _key().payload(ASKING))
    assert ring.question(ASKING.public_key, _key().key_id, QUESTION) is not None


def test_a_changed_text_does_not_open() -> None:
    key = _key().question(QUESTION).question
    sealed = seal(key, 3, b"asked", b"here")
    assert unseal(key, 3, sealed, b"here") == b"asked"
    for number, text, context in (
        (4, sealed, b"here"),
        (3, sealed, b"there"),
        (3, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"here"),
        (3, b"", b"here"),
    ):
        with pytest.raises(CodecError):
            unseal(key, number, text, context)


def test_a_log_key_wrapped_wrongly_is_refused() -> None:
    payload = _key().payload(ASKING)
    wrong = payload.body.replace(b'"from":"', b'"from":"00')[: len(payload.body)]
    for body in (b"{}", wrong, payload.body.replace(_key().key_id.hex().encode(), b"00" * 16)):
        with pytest.raises(CodecError):
            Keyring([AUDITOR]).learn(ASKING.public_key, Payload("log-key", Codec.JSON, body))


def test_a_key_under_another_s_id_opens_nothing_of_that_one() -> None:
    ring = Keyring([AUDITOR])
    ring.learn(STRANGER.public_key, _key().payload(ASKING))
    assert ring.question(ASKING.public_key, _key().key_id, QUESTION) is None
