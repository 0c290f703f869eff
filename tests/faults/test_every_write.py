"""Every operation that writes, with each of its writes failing in both ways, and then repeated.

What comes of it is what comes of an undisturbed run: not half, not twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest

from precisionchain.access.log import AccessLog
from precisionchain.errors import (
    AccessRefusedError,
    LedgerUnavailableError,
    PrecisionChainError,
    UsageError,
)
from precisionchain.ledger.base import Ledger, Limits
from precisionchain.ledger.batches import sealed_items, seals
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.streams import ACCESS, CHECKPOINT, NETWORK, family_of
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.faulty_ledger import Fault, FaultyLedger
from tests.lib.ledger_places import MemoryPlace
from tests.lib.omop_builder import write_omop
from tests.lib.site_builder import BuiltNetwork

JANUARY = """
    condition_occurrence
    id | person | concept
    1  | 1      | 201826
    2  | 2      | 436670
    """
FEBRUARY = """
    condition_occurrence
    id | person | concept
    1  | 1      | 201826
    2  | 2      | 201826
    3  | 1      | 436670
    """
PANEL = """
    place | ref | alt | 1   | 2
    9:100 | A   | G   | 0/1 | 1/1
    """
Act = Callable[[BuiltNetwork], object]


@dataclass(frozen=True)
class Operation:
    """What is done, on which network, and the error by which a repetition may say: done already."""

    prepare: Act
    act: Act
    done_already: type[PrecisionChainError] | None = None


def _staged(text: str) -> Act:
    def stage(network: BuiltNetwork) -> None:
        site = network.site()
        site.site.stage_omop(write_omop(site.new_folder(), text), source="ehr")
        site.site.validate()

    return stage


def _published(network: BuiltNetwork) -> None:
    network.site().ingest(JANUARY)


def _later(network: BuiltNetwork) -> None:
    _published(network)
    _staged(FEBRUARY)(network)


def _genotyped(network: BuiltNetwork) -> None:
    ingest_genotypes(network.site(), PANEL)


def _withdrawn(network: BuiltNetwork) -> None:
    _genotyped(network)
    network.site().site.withdraw_persons([2])


def _two(network: BuiltNetwork) -> None:
    network.site("B")


def _removed(network: BuiltNetwork) -> None:
    network.site("B")
    network.revoke("B")


def _with_ada(network: BuiltNetwork) -> None:
    network.site().site.add_user("ada", ["auditor"])


def _publish(network: BuiltNetwork) -> object:
    return network.site().site.publish(allow_shrinking=True, allow_churn=True)


def _admit(network: BuiltNetwork) -> object:
    token = network.folder / "token"
    if not token.exists():
        token.write_text(network.stranger("C").site.join_token())
    return network.founder.site.admit(token.read_text())


def _rekey(network: BuiltNetwork) -> object:
    token = network.folder / "token"
    if not token.exists():
        token.write_text(network.site("B").site.key_token())
    return network.founder.site.rekey(token.read_text())


def _compromised(network: BuiltNetwork) -> object:
    key = network.site("B").user_signer.public_key
    with closing(network.ledger()) as ledger:
        made = max(i.position for i in ledger.items("NETWORK_1"))
    since = network.folder / "since"
    if not since.exists():
        since.write_text(str(made + 1))
    site = network.site("B").site
    return site.declare_compromised(key.hex(), since=int(since.read_text()))


def _withdraw_batch(network: BuiltNetwork) -> object:
    return network.site().site.withdraw_source("panel")


def _ask(network: BuiltNetwork) -> object:
    return network.site().domain(201826).height


OPERATIONS: Mapping[str, Operation] = {
    "publish a first export": Operation(_staged(JANUARY), _publish),
    "publish a later export": Operation(_later, _publish),
    "publish genotypes": Operation(lambda _: None, lambda net: ingest_genotypes(net.site(), PANEL)),
    "withdraw a batch": Operation(_genotyped, _withdraw_batch),
    "readmit a person": Operation(_withdrawn, lambda net: net.site().site.readmit_persons([2])),
    "checkpoint": Operation(_with_ada, lambda net: net.site().site.checkpoint(publish=True)),
    "ask": Operation(_published, _ask),
    "admit": Operation(lambda _: None, _admit, UsageError),
    "grant": Operation(_two, lambda net: net.founder.site.grant("B", admin=True)),
    "revoke": Operation(_two, lambda net: net.revoke("B"), UsageError),
    "take in again": Operation(_removed, lambda net: net.founder.site.grant("B")),
    "rekey": Operation(
        _removed,
        _rekey,
    ),
    "add a user": Operation(lambda _: None, _with_ada, UsageError),
    "grant a user": Operation(
        _with_ada, lambda net: net.site().site.grant_user("ada", roles=["researcher"])
    ),
    "remove a user": Operation(
        _with_ada, lambda net: net.site().site.revoke_user("ada"), UsageError
    ),
    "rotate a user's key": Operation(_with_ada, lambda net: net.site().site.rotate_user_key("ada")),
    "rotate a site's key": Operation(_published, lambda net: net.site().site.rotate_key()),
    "declare a key compromised": Operation(_two, _compromised, AccessRefusedError),
}


class FourByFour(FaultyLedger):
    """Takes four items a publish, so that there are places to fail at."""

    @property
    def limits(self) -> Limits:
        return replace(self.inner.limits, max_items_per_publish=4)


@dataclass(frozen=True)
class Outcome:
    """What stands on a ledger, without keys, times and numbers of a run."""

    items: Counter[tuple[str, int]]
    records: int
    roster: Counter[str]
    seals: int
    asked: Counter[str]
    checkpoints: bool


def outcome(network: BuiltNetwork) -> Outcome:
    """Read it, and check that no item is there twice and every sealed batch is whole."""
    with closing(network.ledger()) as ledger:
        membership = LiveMembership(ledger)
        assert membership.findings == []
        placed = list(ledger.items())
        names = Counter((i.item.publisher, i.item.batch_id, i.item.ordinal) for i in placed)
        assert set(names.values()) == {1}
        sealed = list(seals(ledger, membership.is_entitled))
        for seal in sealed:
            whole = sum(1 for _ in sealed_items(ledger, seal, network.id))
            assert whole == seal.manifest.items
        families = Counter((family_of(i.item.stream), i.item.ordinal) for i in placed)
        counted = {key: n for key, n in families.items() if key[0] not in (ACCESS, CHECKPOINT)}
        members = [f"{m.site} {m.admin} {m.until is None}" for m in membership.members()]
        users = [f"{u.name} {u.roles} {u.until is None}" for u in membership.users()]
        log = AccessLog(ledger, membership)
        assert list(log.findings()) == []
        return Outcome(
            Counter(counted),
            sum(family_of(i.item.stream) == NETWORK for i in placed),
            Counter(members + users),
            len(sealed),
            Counter(question.status for question in log.questions()),
            any(family_of(i.item.stream) == CHECKPOINT for i in placed),
        )


def run(
    folder: Path, operation: Operation, fault: Fault | None = None, fail_at: int = 0
) -> tuple[Outcome, int]:
    """Do an operation on a ledger that fails once, and again if it broke off; count its writes."""
    folder.mkdir()
    network = BuiltNetwork(folder, MemoryPlace(folder), genetic=True)
    operation.prepare(network)
    faulty = FourByFour(network.ledger(), fault, fail_at)

    def opened(_signer: Signer) -> Ledger:
        return faulty

    broke_off = False
    with mock.patch.object(network.place, "open", opened):
        try:
            operation.act(network)
        except LedgerUnavailableError:
            broke_off = True
    writes = faulty.writes
    if broke_off:
        try:
            operation.act(network)
        except PrecisionChainError as error:
            told = operation.done_already is not None and isinstance(error, operation.done_already)
            if not told or fault is not Fault.UNANSWERED:
                raise
    checks = network.founder.site.verify()
    assert [check.line() for check in checks if not check.ok] == []
    return outcome(network), writes


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_that_fails_at_any_write_comes_to_the_same_when_repeated(
    tmp_path: Path, name: str
) -> None:
    operation = OPERATIONS[name]
    expected, writes = run(tmp_path / "undisturbed", operation)
    assert writes > 0
    for fault in Fault:
        for fail_at in range(writes):
            folder = tmp_path / f"{fault.name}_{fail_at}"
            found, _ = run(folder, operation, fault, fail_at)
            assert found == expected, (fault, fail_at)
