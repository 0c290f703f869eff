"""From a URL to a ledger, and from parameters to a network that others can join."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from precisionchain.errors import LedgerError, LedgerUnavailableError
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.opening import create_network, embedded_path, open_ledger
from precisionchain.ledger.records import Member, User
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.roles import ROLES
from tests.contract.ledger_contract import A, item, publish

SITE, USER = Signer(bytes(32)), Signer(bytes([1]) * 32)
BODY = b'{"build":"GRCh37","format":1}'


def create(url: str, base: Path | None, *, user: str = "admin@A", body: bytes = BODY) -> bytes:
    return create_network(
        url,
        body,
        signer=SITE,
        site="A",
        code="a0",
        user=user,
        user_keys=USER.public,
        streams=["NETWORK_1", "ACCESS_1", A],
        base=base,
    )


def test_a_network_begins_with_parameters_founder_and_first_user(tmp_path: Path) -> None:
    network = create("embedded:ledger.sqlite", tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.sqlite"]
    with closing(open_ledger("embedded:ledger.sqlite", base=tmp_path)) as ledger:
        found = list(ledger.items())
        membership = Membership.fold(ledger.items("NETWORK_1"))

        assert list(ledger.streams()) == ["NETWORK_1", "ACCESS_1", A]
        assert [one.item.payload.kind for one in found] == ["parameters", "member", "user"]
        assert [one.item.keys for one in found] == [(), ("member:A",), ("user:admin@A",)]
        assert membership.findings == []
        assert membership.network == network
        assert membership.parameters_body == BODY
        assert membership.members() == (Member("A", "a0", *SITE.public, admin=True, since=1),)
        assert membership.users() == (User("admin@A", "A", *USER.public, ROLES, since=2),)
        assert list(ledger.findings()) == []


def test_a_network_is_never_made_over_a_ledger(tmp_path: Path) -> None:
    create("embedded:ledger.sqlite", tmp_path)
    before = (tmp_path / "ledger.sqlite").read_bytes()

    with pytest.raises(LedgerUnavailableError, match="already"):
        create("embedded:ledger.sqlite", tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.sqlite"]


@pytest.mark.parametrize(
    ("user", "body"), [("admin@B", BODY), ("admin", BODY), ("admin@A", b"{"), ("admin@A", b"[]")]
)
def test_a_beginning_that_readers_would_not_accept_makes_no_network(
    tmp_path: Path, user: str, body: bytes
) -> None:
    with pytest.raises(LedgerError, match="cannot begin"):
        create("embedded:ledger.sqlite", tmp_path, user=user, body=body)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError, match="nowhere"):
        create("embedded:nowhere/ledger.sqlite", tmp_path)


def test_a_path_is_relative_to_the_site_folder(tmp_path: Path) -> None:
    assert embedded_path("embedded:l.sqlite", tmp_path) == tmp_path / "l.sqlite"
    assert embedded_path("embedded:../l.sqlite", tmp_path) == tmp_path / "../l.sqlite"
    assert embedded_path("embedded:/data/l.sqlite", tmp_path) == Path("/data/l.sqlite")
    assert embedded_path("embedded:a:b c.sqlite") == Path("a:b c.sqlite")


@pytest.mark.parametrize("url", ["", "embedded:", "embedded", "ledger.sqlite", "http://x", ":x"])
def test_what_is_no_url_of_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="embedded:PATH"):
        open_ledger(url)


def test_a_url_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(LedgerError, match="no user and no password") as caught:
        open_ledger("multichain:http://user:secret@localhost:1234")
    assert caught.value.exit_code == 7
    assert "secret" not in str(caught.value)


def test_with_a_signer_the_ledger_is_written_without_one_only_read(tmp_path: Path) -> None:
    create("embedded:ledger.sqlite", tmp_path)
    with closing(open_ledger("embedded:ledger.sqlite", SITE, tmp_path)) as ledger:
        publish(ledger, item(0))
    with closing(open_ledger("embedded:ledger.sqlite", base=tmp_path)) as ledger:
        with pytest.raises(LedgerUnavailableError, match="reading only"):
            publish(ledger, item(1))
        assert [one.item for one in ledger.items(A)] == [item(0)]
