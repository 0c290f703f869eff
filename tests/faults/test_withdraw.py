"""A withdrawal is published once or not at all, wherever the ledger fails the job that says it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from precisionchain.errors import LedgerUnavailableError
from precisionchain.ledger.base import Ledger, Limits
from precisionchain.ledger.batches import seals
from precisionchain.ledger.chains import withdrawals
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.signing import Signer
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.faulty_ledger import Fault, FaultyLedger
from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork

PANEL = """
    place | ref | alt | 1   | 2   | 3
    9:100 | A   | G   | 0/1 | 1/1 | 0/0
    9:200 | C   | T,G | 1/2 | 0/2 | ./.
    """


def withdrawn(network: BuiltNetwork) -> tuple[int, frozenset[int]]:
    """Return how many corrections are sealed, and who is withdrawn by them."""
    ledger = network.ledger()
    sealed = list(seals(ledger, LiveMembership(ledger).is_entitled))
    said = withdrawals(ledger, sealed, network.id)
    ledger.close()
    persons = said.persons.get(network.founder.signer.public_key, frozenset())
    return sum(seal.manifest.kind == "correction" for seal in sealed), persons


class OneByOne(FaultyLedger):
    """Takes one item a publish, so that there is a place to fail at after each."""

    @property
    def limits(self) -> Limits:
        return replace(self.inner.limits, max_items_per_publish=1)


def withdraw_on(network: BuiltNetwork, fault: Fault, fail_at: int) -> bool:
    """Withdraw a person on a ledger that fails at some write; return whether it came to that."""
    opens = network.place.open

    def opened(signer: Signer) -> Ledger:
        return OneByOne(opens(signer), fault, fail_at)

    with mock.patch.object(network.place, "open", opened):
        try:
            network.site().site.withdraw_persons([2])
        except LedgerUnavailableError:
            return True
    return False


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("place", PLACES)
def test_a_withdrawal_that_fails_anywhere_is_said_once_by_the_next_job(
    tmp_path: Path, place: str, fault: Fault
) -> None:
    failed, fail_at = True, 0
    while failed:
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        network = BuiltNetwork(folder, PLACES[place](folder))
        ingest_genotypes(network.site(), PANEL)
        failed = withdraw_on(network, fault, fail_at)
        assert withdrawn(network) in ((0, frozenset()), (1, frozenset({2})))
        again = network.site().site.withdraw_persons([2])
        assert (again.done, again.unchanged) == (0, 1)
        assert withdrawn(network) == (1, frozenset({2}))
        with network.site().network() as asked:
            (row,) = asked.maf(0, 0.5, region="9:100-100").iter_rows(named=True)
        assert (row["ac"], row["an"]) == (1, 4)
        fail_at += 1
    assert fail_at > 4  # the row, the counts, the leaves, the seal
    assert all(check.ok for check in network.site().site.verify())
