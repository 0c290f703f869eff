"""Keys are kept so that only their owner can sign, and a signature binds what it covers."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from precisionchain.errors import KeyPermissionError, SiteError, UnreadableFileError
from precisionchain.ledger.signing import (
    Signer,
    generate_key,
    is_signed,
    load_key,
    single_item,
    verify_signature,
)
from precisionchain.schemas.items import Codec, ItemClass, parse_item
from precisionchain.schemas.json_payloads import json_payload

NETWORK = bytes(range(32))

# RFC 8032, section 7.1: seed, public key, message, signature.
RFC_8032 = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
}


@pytest.mark.parametrize("name", RFC_8032)
def test_signs_as_rfc_8032_says(name: str) -> None:
    seed, public, message, signature = (bytes.fromhex(part) for part in RFC_8032[name])
    signer = Signer(seed)

    assert signer.public_key == public
    assert signer.sign(message) == signature
    assert verify_signature(public, signature, message)


def test_a_changed_bit_anywhere_is_no_signature() -> None:
    signer, message = Signer(bytes(32)), b"message"
    signature = signer.sign(message)
    for at in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[at // 8] ^= 1 << at % 8
        assert not verify_signature(signer.public_key, bytes(changed), message)

    assert not verify_signature(signer.public_key, signature, b"messagf")
    assert not verify_signature(Signer(bytes([1]) * 32).public_key, signature, message)
    assert not verify_signature(b"short", signature, message)
    assert not verify_signature(signer.public_key, b"", message)


def test_a_key_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "site.key"
    made = generate_key(path)

    assert load_key(path).public_key == made.public_key
    assert load_key(path).sign(b"m") == made.sign(b"m")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["site.key"]


def test_two_keys_differ(tmp_path: Path) -> None:
    one, other = (generate_key(tmp_path / "keys" / name) for name in ("one.key", "other.key"))

    assert one.public_key != other.public_key


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "site.key"
    generate_key(path)
    before = path.read_bytes()

    with pytest.raises(SiteError, match="not replaced"):
        generate_key(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["site.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o700])
def test_a_key_others_could_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys" / "site.key"
    generate_key(path)
    path.chmod(mode)

    with pytest.raises(KeyPermissionError, match="chmod 600") as caught:
        load_key(path)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o755, 0o770])
def test_a_folder_others_could_enter_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys" / "site.key"
    generate_key(path)
    path.parent.chmod(mode)

    with pytest.raises(KeyPermissionError, match="chmod 700"):
        load_key(path)
    with pytest.raises(KeyPermissionError, match="chmod 700"):
        generate_key(path.parent / "another.key")


def test_a_stricter_mode_is_welcome(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "site.key"
    made = generate_key(path)
    path.chmod(0o400)

    assert load_key(path).public_key == made.public_key


DAMAGED: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "other format": lambda text: text.replace("key 1", "key 2"),
    "seed of another key": lambda text: text.replace(text[42:106], "00" * 32),
    "a digit lost": lambda text: text[:-2] + "\n",
    "more after it": lambda text: text + "more\n",
    "not text": lambda text: "\xff",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_key_file_is_refused_without_showing_the_seed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "keys" / "site.key"
    generate_key(path)
    text = path.read_text()
    path.write_text(DAMAGED[name](text), encoding="latin-1")

    with pytest.raises(UnreadableFileError) as caught:
        load_key(path)
    assert text.split()[6] not in str(caught.value)


def test_an_absent_key_is_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"site\.key"):
        load_key(tmp_path / "site.key")


def test_a_signer_does_not_show_its_seed() -> None:
    seed = bytes(range(32))

    assert seed.hex() not in repr(Signer(seed))


def test_a_single_item_is_signed_for_one_network_and_one_content() -> None:
    signer = Signer(bytes(32))
    payload = json_payload("access", b"{}")
    item = single_item("ACCESS_1", ["u:a", "q:1"], payload, signer=signer, network=NETWORK)

    assert item.keys == ("q:1", "u:a")
    assert item.item_class is ItemClass.SINGLE
    assert is_signed(item, NETWORK)
    assert is_signed(parse_item(item.stream, item.keys, item.stored), NETWORK)
    assert is_signed(replace(item, stream="ACCESS_2zz"), NETWORK), "a bucket is placement"

    others = {
        "network": (item, bytes(32)),
        "family": (replace(item, stream="NETWORK_1"), NETWORK),
        "keys": (replace(item, keys=("q:1",)), NETWORK),
        "ordinal": (replace(item, ordinal=1), NETWORK),
        "batch": (replace(item, batch_id=bytes(32)), NETWORK),
        "publisher": (replace(item, publisher=Signer(bytes([1]) * 32).public_key), NETWORK),
        "kind": (replace(item, payload=replace(payload, kind="member")), NETWORK),
        "codec": (replace(item, payload=replace(payload, codec=Codec.ARROW)), NETWORK),
        "body": (replace(item, payload=replace(payload, body=b"{ }")), NETWORK),
        "no signature": (replace(item, signature=b""), NETWORK),
        "class": (replace(item, item_class=ItemClass.BATCH), NETWORK),
    }
    assert {name for name, (other, network) in others.items() if is_signed(other, network)} == set()


def test_every_single_item_is_a_batch_of_its_own() -> None:
    items = [
        single_item(
            "ACCESS_1", [], json_payload("access", b"{}"), signer=Signer(bytes(32)), network=NETWORK
        )
        for _ in range(100)
    ]

    assert len({item.batch_id for item in items}) == 100
    assert {item.ordinal for item in items} == {0}
