"""Admitting and removing: what readers would not count is refused before it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from precisionchain.errors import (
    AccessRefusedError,
    JoinTokenError,
    LedgerError,
    NotAdmittedError,
    PrecisionChainError,
    UsageError,
)
from precisionchain.ledger.admission import Registrar
from precisionchain.ledger.join_token import JoinToken
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.records import Member, fingerprint, member_item
from precisionchain.schemas.roles import ROLES
from tests.lib.audited_network import AuditedNetwork, key

TODAY = datetime.now(UTC).date()
Act = Callable[[Registrar, AuditedNetwork], object]


@pytest.fixture
def net() -> AuditedNetwork:
    return AuditedNetwork()


def registrar(net: AuditedNetwork, site: str = "A") -> Registrar:
    return Registrar(net.ledger, LiveMembership(net.ledger), key(site))


def token(net: AuditedNetwork, site: str, made_by: str = "", network: bytes = b"") -> JoinToken:
    by = made_by or site
    return JoinToken.make(network or net.network, site, key(by), key(f"admin@{by}").public)


def test_a_site_is_admitted_with_its_first_user(net: AuditedNetwork) -> None:
    member = registrar(net).admit(token(net, "C"), expires=TODAY)

    assert (member.site, member.code, member.admin, member.expires) == ("C", "a0", False, TODAY)
    assert member.public_key == key("C").public_key
    membership = LiveMembership(net.ledger)
    user = membership.current_user("admin@C", datetime.now(UTC))
    assert user is not None
    assert (user.roles, user.public_key) == (ROLES, key("admin@C").public_key)
    assert membership.findings == []


def test_codes_are_given_in_order_and_never_again(net: AuditedNetwork) -> None:
    by = registrar(net)
    codes = [by.admit(token(net, f"S{n}")).code for n in range(38)]
    assert codes == [
        *(f"a{digit}" for digit in "0123456789bcdefghijklmnopqrstuvwxyz"),  # "aa" is site A's
        *("b0", "b1", "b2"),
    ]
    by.revoke("S0")
    assert by.admit(token(net, "S99")).code == "b3"


def test_an_administrator_admits_and_others_do_not(net: AuditedNetwork) -> None:
    registrar(net).admit(token(net, "C"), admin=True)
    registrar(net, "C").admit(token(net, "D"))
    with pytest.raises(AccessRefusedError, match="site D is no administrator"):
        registrar(net, "D").admit(token(net, "E"))


REFUSED: dict[str, tuple[Act, type[PrecisionChainError], str]] = {
    "by a stranger": (
        lambda by, net: registrar(net, "X").admit(token(net, "C")),
        NotAdmittedError,
        "not admitted",
    ),
    "by no administrator": (
        lambda by, net: registrar(net, "B").admit(token(net, "C")),
        AccessRefusedError,
        "no administrator",
    ),
    "of another network": (
        lambda by, net: by.admit(token(net, "C", network=bytes(32))),
        JoinTokenError,
        "another network",
    ),
    "a member": (lambda by, net: by.admit(token(net, "B")), JoinTokenError, "member already"),
    "a name taken": (
        lambda by, net: by.admit(token(net, "B", made_by="C")),
        JoinTokenError,
        "the name B is, or was",
    ),
    "a name taken in another case": (
        lambda by, net: by.admit(token(net, "b", made_by="C")),
        JoinTokenError,
        "the name b is, or was",
    ),
    "a name that is a code": (
        lambda by, net: by.admit(token(net, "Bb", made_by="C")),
        JoinTokenError,
        "the name Bb",
    ),
    "a user's key taken": (
        lambda by, net: by.admit(JoinToken.make(net.network, "C", key("C"), key("B").public)),
        JoinTokenError,
        "in use by somebody else",
    ),
    "until yesterday": (
        lambda by, net: by.admit(token(net, "C"), expires=TODAY - timedelta(1)),
        UsageError,
        "has passed",
    ),
    "the last administrator": (lambda by, net: by.revoke("A"), AccessRefusedError, "the last"),
    "a site nobody knows": (lambda by, net: by.revoke("Z"), UsageError, "Z is no member"),
    "a user of another site": (
        lambda by, net: by.add_user("eve@B", key("eve").public, ["admin"]),
        UsageError,
        "cannot name a user of this site",
    ),
    "a user's name with a path": (
        lambda by, net: by.add_user("../eve@A", key("eve").public, ["admin"]),
        UsageError,
        "cannot name",
    ),
    "a user without a role": (
        lambda by, net: by.add_user("eve@A", key("eve").public, []),
        UsageError,
        "needs a role",
    ),
    "a role nobody knows": (
        lambda by, net: by.add_user("eve@A", key("eve").public, ["root", "admin"]),
        UsageError,
        "no role 'root'",
    ),
    "a user with a site's key": (
        lambda by, net: by.add_user("eve@A", key("B").public, ["admin"]),
        UsageError,
        "in use",
    ),
    "a user until yesterday": (
        lambda by, net: by.add_user(
            "eve@A", key("eve").public, ["admin"], expires=date(2020, 1, 1)
        ),
        UsageError,
        "has passed",
    ),
    "a user nobody knows": (lambda by, net: by.revoke_user("z@A"), UsageError, "no user of site"),
    "another site's user": (lambda by, net: by.revoke_user("bob@B"), UsageError, "no user of"),
    "the last user who is admin": (
        lambda by, net: by.revoke_user("ada@A"),
        AccessRefusedError,
        "last user of site A",
    ),
    "a user again": (
        lambda by, net: by.add_user("ada@A", key("eve").public, ["admin"]),
        UsageError,
        "is, or was, a user",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_count_is_refused_and_not_written(net: AuditedNetwork, name: str) -> None:
    act, error, said = REFUSED[name]
    net.add_user("ada@A", ("admin",))
    net.add_user("bob@B")
    head = net.ledger.head()
    with pytest.raises(error, match=said):
        act(registrar(net), net)
    assert net.ledger.head() == head


def test_a_removed_or_expired_site_does_nothing_more(net: AuditedNetwork) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(1)
    net.publish(member_item(
        Member("C", "c0", *key("C").public, admin=True, expires=yesterday), key("A"), net.network
    ))  # fmt: skip
    net.remove_site("B")
    for site, said in (("B", "was removed"), ("C", "has expired")):
        with pytest.raises(AccessRefusedError, match=said):
            registrar(net, site).site()


def test_users_are_made_and_removed_by_their_site(net: AuditedNetwork) -> None:
    by = registrar(net, "B")
    made = by.add_user("eve@B", key("eve").public, ["auditor", "researcher", "auditor"])
    assert (made.name, made.site, made.roles) == ("eve@B", "B", ("researcher", "auditor"))
    assert by.revoke_user("eve@B").until is not None
    with pytest.raises(UsageError, match="no user"):
        by.revoke_user("eve@B")
    with pytest.raises(UsageError, match="is, or was, a user"):
        by.add_user("eve@B", key("eve two").public, ["auditor"])
    assert LiveMembership(net.ledger).findings == []


def test_of_two_administrators_who_give_one_code_at_once_one_is_told(net: AuditedNetwork) -> None:
    registrar(net).admit(token(net, "C"), admin=True)

    class Behind(LiveMembership):
        """Looks for a free code before the other administrator has written."""

        def is_taken(self, name: str) -> bool:
            return name != "a1" and super().is_taken(name)

    registrar(net, "C").admit(token(net, "D"))  # takes the code a1
    with pytest.raises(LedgerError, match="repeat"):
        Registrar(net.ledger, Behind(net.ledger), key("A")).admit(token(net, "E"))
    assert registrar(net).admit(token(net, "F")).code == "a2"


def test_a_fingerprint_is_of_the_key() -> None:
    one, other = fingerprint(key("A").public_key), fingerprint(key("B").public_key)
    assert one != other
    assert [len(group) for group in one.split()] == [4] * 8
