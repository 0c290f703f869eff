"""A small embedded ledger with items of every kind, and checks of it that run in process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from precisionchain.config import SiteFolder
from precisionchain.errors import PrecisionChainError
from precisionchain.ledger.audit_bytes import audit
from precisionchain.ledger.base import Finding
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.signing import Signer
from precisionchain.verification.check import Check
from precisionchain.verification.rights import check_access, check_signatures, check_writers
from precisionchain.verification.scan import scan_ledger
from precisionchain.verification.sealed import check_sealed, check_strays
from precisionchain.verification.seals import check_seals
from precisionchain.verification.witnesses import check_witnesses
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.ledger_places import EmbeddedPlace
from tests.lib.site_builder import BuiltNetwork

_FIRST = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 20      | 2015-01-02
    """
_SECOND = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 20      | 2015-02-02
    3  | 7      | 30      | 2015-03-03
    """
_GENOTYPES = """
    place | ref | alt | 7   | 8
    9:100 | A   | G   | 0/1 | 0/0
    9:250 | C   | T   | 1/1 | ./.
    """


@dataclass(frozen=True, slots=True)
class CompleteLedger:
    """A closed ledger file, its bytes, and who may sign on it.

    ``kept`` is site A's folder of checkpoints: its own of everything, and B's.
    """

    path: Path
    content: bytes
    kept: KeptCheckpoints
    signer_a: Signer
    signer_b: Signer
    kinds: frozenset[str]
    items: int


def complete_ledger(folder: Path) -> CompleteLedger:
    """Build a network of two sites with everything they can publish, and close it."""
    place = EmbeddedPlace(folder)
    network = BuiltNetwork(folder, place, genetic=True)
    a, b = network.site("A"), network.site("B")
    a.ingest(_FIRST)
    b.ingest(_FIRST, source="practice")
    ingest_genotypes(a, _GENOTYPES, bed=["9 0 1000"])
    ingest_genotypes(b, _GENOTYPES)
    a.ingest(_SECOND)
    a.domain(10)
    b.domain(20)
    network.site("C")
    network.revoke("C")
    b.site.checkpoint(publish=True)
    a.site.sync()
    a.site.checkpoint()
    with closing(network.ledger()) as ledger:
        assert isinstance(ledger, EmbeddedLedger)
        found = list(ledger.items())
        ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    kept = KeptCheckpoints(SiteFolder(a.folder.root).checkpoints, network.id)
    kinds = frozenset(item.item.payload.kind for item in found)
    return CompleteLedger(
        place.path, place.path.read_bytes(), kept, a.signer, b.signer, kinds, len(found)
    )


def checks(path: Path, kept: KeptCheckpoints | None, site: str = "A") -> Iterator[Finding]:
    """Yield what the checks of ``verify`` find that look at the ledger alone.

    Left out are contents (recount and mappings), the replica and MAF checkpoints: what they find is
    what a publisher said wrongly, not what was changed afterwards. Strays count here.
    """
    yield from audit(path)
    try:
        with closing(EmbeddedLedger(path)) as ledger:
            membership = LiveMembership(ledger)
            scan = scan_ledger(ledger, membership.network)
            placed = list(scan.seals(membership.is_entitled))
            sealed, strays = Check("batches"), Check("strays")
            check_sealed(sealed, scan, placed)
            check_strays(strays, scan, placed)
            for check in (
                check_witnesses(ledger, membership, scan.log, kept, site),
                check_writers(ledger, membership),
                check_signatures(ledger, scan, membership),
                check_access(ledger, membership),
                check_seals(scan, membership.is_entitled),
                sealed,
                strays,
            ):
                yield from check.findings
    except PrecisionChainError as error:
        yield Finding("readable", str(error))
