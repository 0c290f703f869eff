"""Which role may ask what: written out once more, put through the gate, and judged by readers."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from unittest import mock

import pytest

from precisionchain.access.entries import Refused, Request
from precisionchain.access.entry_bodies import ResultPart
from precisionchain.access.evaluated import Evaluated, evaluated_value
from precisionchain.access.gate import Gate
from precisionchain.access.judge import NOT_PERMITTED
from precisionchain.access.log import AccessLog
from precisionchain.access.search import AuditSearch
from precisionchain.errors import AccessRefusedError
from precisionchain.ledger.membership import LiveMembership
from precisionchain.schemas.roles import ANYBODY, ROLE_OF, ROLES, may
from tests.lib.access_entries import read_entries
from tests.lib.audited_network import AuditedNetwork, key
from tests.lib.ledger_places import PLACES

PACKAGE = Path(__file__).resolve().parents[2] / "precisionchain"

# operation: who may. Written by hand, to be compared with the table of the package.
TABLE = """
    sql              institution
    publish          institution
    withdraw         institution
    readmit          institution
    domain           researcher
    person           researcher
    timeline         researcher
    variant          researcher
    person-variants  researcher
    maf              researcher
    frequencies      researcher
    exclusions       researcher
    quality          researcher
    concept-counts   researcher
    why              researcher
    sequencing       researcher
    sites            researcher
    structural       researcher
    cohort           researcher
    cohorts          researcher
    concept          researcher
    concept-set      researcher
    concepts         researcher
    vocabularies     researcher
    export-cohort    researcher
    export-genotypes researcher
    audit-entries    auditor
    audit-summary    auditor
    audit-alerts     auditor
    seen-by          auditor
    who-saw          auditor
    admit            admin
    revoke           admin
    user-add         admin
    user-revoke      admin
    grant            admin
    rekey            admin
    rotate-key       admin
    compromised      admin
    user-grant       admin
    user-rotate-key  admin
    restore          admin
    nobody-thought-of-it
    DOMAIN
    """
EXPECTED = {
    name: (rest[0] if rest else None)
    for name, *rest in (line.split() for line in TABLE.strip().splitlines())
}


def test_the_table_is_the_one_written_here() -> None:
    assert dict(ROLE_OF) == {name: role for name, role in EXPECTED.items() if role}
    assert set(ROLES) == {"institution", "researcher", "auditor", "admin"}
    assert not ANYBODY & ROLE_OF.keys()


@pytest.mark.parametrize("operation", EXPECTED)
def test_any_set_of_roles_may_do_what_one_of_them_may(operation: str) -> None:
    for size in range(len(ROLES) + 1):
        for roles in combinations(ROLES, size):
            assert may(operation, roles) == (EXPECTED[operation] in roles), roles
    assert not may(operation, ("root", "", "researchers"))


def test_every_operation_that_the_package_asks_is_in_the_table() -> None:
    asked = set[str]()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        asked |= set(
            re.findall(r'(?:\.ask|_ask|_read|\.require|\.registrar)\(\s*"([a-z-]+)"', text)
        )
    assert asked >= {"domain", "who-saw", "sql", "publish", "admit", "user-add"}
    assert sorted(asked - ROLE_OF.keys()) == []


class Watched:
    """An evaluation that says whether anything was read."""

    def __init__(self) -> None:
        self.read = False

    def __call__(self) -> Evaluated[int]:
        self.read = True
        return evaluated_value(1)


@pytest.fixture(scope="module", params=PLACES)
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AuditedNetwork:
    """A network with a user of each role, named after it, and one without any."""
    place = PLACES[request.param](tmp_path_factory.mktemp("place"))
    network = AuditedNetwork(place.open(key("A")))
    for role in ROLES:
        network.add_user(f"{role}@A", (role,))
    network.add_user("nobody@A", ())
    network.add_user("stranger@A", ("researchers", "root"))
    return network


USERS = (*ROLES, "nobody", "stranger")


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("operation", EXPECTED)
def test_the_gate_answers_only_who_has_the_role(
    net: AuditedNetwork, operation: str, role: str
) -> None:
    name, evaluate = f"{role}@A", Watched()
    gate = Gate(
        net.ledger, net.network, name, key(name), membership=LiveMembership(net.ledger), pauses=()
    )
    before = net.ledger.head().position
    if EXPECTED[operation] == role:
        assert gate.ask(operation, "clinical", {}, evaluate) == 1
        last: type = ResultPart
    else:
        with pytest.raises(AccessRefusedError) as caught:
            gate.ask(operation, "clinical", {}, evaluate)
        assert caught.value.exit_code == 6
        last = Refused
    assert evaluate.read == (EXPECTED[operation] == role)
    entries = read_entries(net.ledger, after=before)
    assert [type(entry) for entry in entries] == [Request, last]


# ----------------------------------------------------------- readers judge what passed by the gate


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("operation", EXPECTED)
def test_a_result_past_the_gate_is_found_by_every_reader(operation: str, role: str) -> None:
    net, name = AuditedNetwork(), f"{role}@A"
    net.add_user(name, (role,) if role in ROLES else ())
    with mock.patch("precisionchain.access.gate.require_role"):  # a changed program
        net.gate(name).ask(
            operation, "clinical", {}, lambda: evaluated_value(3, contributed={"A": [42]})
        )
    log, search = (
        AccessLog(net.ledger, net.membership(), net.keyring()),
        AuditSearch(net.ledger, net.membership(), None, net.keyring()),
    )
    permitted = EXPECTED[operation] == role
    status = "answered" if permitted else NOT_PERMITTED
    assert [finding.check for finding in log.findings()] == ([] if permitted else ["access"])
    assert search.entries()["status"].to_list() == [status] * 2
    assert search.seen_by(name)["status"].to_list() == [status]
    assert search.who_saw("A:42")["status"].to_list() == [status]


def test_a_refusal_and_a_failure_need_no_role() -> None:
    net = AuditedNetwork()
    net.add_user("nobody@A", ())

    def refuse() -> Evaluated[int]:
        raise AccessRefusedError("no")

    with pytest.raises(AccessRefusedError):
        net.gate("nobody@A").ask("domain", "clinical", {}, refuse)
    assert list(AccessLog(net.ledger, net.membership(), net.keyring()).findings()) == []


def test_roles_are_those_of_the_moment() -> None:
    """A user removed while a gate is open asks nothing more, and leaves nothing behind."""
    net = AuditedNetwork()
    net.add_user("ada@B")
    membership = LiveMembership(net.ledger)
    gates = [
        Gate(net.ledger, net.network, "ada@B", key("ada@B"), membership=membership)
        for _ in range(2)
    ]
    assert gates[0].ask("maf", "genetic", {}, Watched()) == 1
    net.remove_site("B")
    head, evaluate = net.ledger.head(), Watched()
    for gate in gates:
        with pytest.raises(AccessRefusedError, match="or no longer"):
            gate.ask("maf", "genetic", {}, evaluate)
    assert not evaluate.read
    assert net.ledger.head() == head
