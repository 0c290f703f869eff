"""Networks of array, exome and genome sites, taken through the package, and asked about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

import precisionchain as pc
from precisionchain.ingest.report import Ingested
from precisionchain.replica.catalogue import Snapshot
from tests.lib.ledger_places import LedgerPlace, MemoryPlace
from tests.lib.mixed_loads import UNLISTED
from tests.lib.mixed_oracle import COUNTED, NOT_ASSAYED, Key, Load, NetworkOracle, State, counts
from tests.lib.site_builder import BuiltNetwork, BuiltSite, open_on
from tests.lib.vcf_builder import write_map

STATES = ("0", "1", "2", "missing", "not_assayed")
_BY_SEX = (*COUNTED, "persons", "n_not_assayed")
_SEXES = {"M": "male", "F": "female", "": None}


class Mixed:
    """A network whose sites take loads, beside what it must know.

    Args:
        folder: an empty folder.
        names: of its sites; the first founds it.
        place: the ledger's; by default in memory.
    """

    def __init__(
        self, folder: Path, names: Sequence[str], place: LedgerPlace | None = None
    ) -> None:
        self._built = BuiltNetwork(folder, place or MemoryPlace(folder), genetic=False)
        self.oracle = NetworkOracle(names)
        for name in names:
            self.site(name)

    def site(self, name: str) -> BuiltSite:
        """Return a site."""
        return self._built.site(name)

    def load(self, load: Load, *, source: str, again: bool = False) -> str:
        """Let the site of a load take it, in place of what it meets; return the batch."""
        if not again:
            self.oracle.sites[load.site].load(load)
        return self.ingest(load, source=source).batch

    def ingest(
        self, load: Load, *, source: str, qc: Literal["none", "mark", "remove"] = "none"
    ) -> Ingested:
        """Run the command of a load."""
        return self.site(load.site).site.ingest_vcf(
            list(load.files),
            samples=self._map(load),
            build="GRCh37",
            assay=str(load.assay),
            qc=qc,
            source=source,
            half_call=load.half_call,  # type: ignore[arg-type] # drawn from its own values
            filter_policy=load.filter_policy,  # type: ignore[arg-type] # as above
            replace=True,
        )

    def stage(self, load: Load, *, source: str) -> None:
        """Stage a load, and no more."""
        self.site(load.site).site.stage_vcf(
            list(load.files),
            samples=self._map(load),
            build="GRCh37",
            assay=str(load.assay),
            qc="none",
            source=source,
            half_call=load.half_call,  # type: ignore[arg-type] # drawn from its own values
            filter_policy=load.filter_policy,  # type: ignore[arg-type] # as above
        )

    def publish(self, load: Load, *, source: str) -> None:
        """Publish what was staged of a load."""
        self.site(load.site).site.publish(source=source, replace=True)

    def _map(self, load: Load) -> Path:
        rows = [
            f"{sample},{person},{load.sexes[sample]}" for sample, person in load.persons.items()
        ]
        return write_map(self.site(load.site).new_folder() / "map.csv", *rows)

    def withdraw(self, site: str, persons: set[int]) -> None:
        """Withdraw persons of a site."""
        self.site(site).site.withdraw_persons(persons)
        self.oracle.sites[site].withdrawn |= persons

    def readmit(self, site: str, persons: set[int]) -> None:
        """Readmit persons of a site."""
        self.site(site).site.readmit_persons(persons)
        self.oracle.sites[site].withdrawn -= persons

    def withdraw_batch(self, site: str, number: int, batch: str) -> None:
        """Withdraw the batch that a site's load of that number made."""
        self.site(site).site.withdraw_batch(batch)
        self.oracle.sites[site].published[number].withdrawn = True

    # ------------------------------------------------------------------------------ comparing

    def answers(self, name: str, keys: Sequence[Key]) -> Answers:
        """Ask a site for the network's counts, and for everybody's state at some alleles."""
        site = self.site(name)
        with site.network() as network:
            frequencies = network.maf(0, 0.5)
            states = {key: network.variant(text(key), genotype=STATES) for key in keys}
            by_sex = network.frequencies(map(text, keys), by="sex")
        opened = open_on(self._built.place, site.folder.root)
        try:
            folded = six_counts(opened.snapshot())
        finally:
            opened.close()
        return Answers(frequencies, states, folded, by_sex)

    def differences(self, name: str) -> list[str]:
        """Return where a site's answers are not what the files say, in words."""
        listed = self.oracle.alleles()
        keys = sorted(listed | set(UNLISTED))
        return list(self.answers(name, keys).differences(self.oracle, listed))


class Answers:
    """What one site answered."""

    def __init__(
        self,
        frequencies: pl.DataFrame,
        states: Mapping[Key, pl.DataFrame],
        folded: Mapping[Key, Mapping[str, int]],
        by_sex: pl.DataFrame,
    ) -> None:
        self.frequencies = frequencies
        self.states = {
            key: {
                (row["site"], row["person_id"]): State(row["genotype"], row["ploidy"] or 0)
                for row in frame.iter_rows(named=True)
            }
            for key, frame in states.items()
        }
        self.folded = folded
        self.by_sex = {
            (*_key(row), row["group"]): {name: row[name] for name in _BY_SEX}
            for row in by_sex.iter_rows(named=True)
        }

    @property
    def n_states(self) -> int:
        """How many states of persons at alleles were asked for."""
        return sum(map(len, self.states.values()))

    def differences(self, oracle: NetworkOracle, listed: set[Key]) -> Iterator[str]:
        """Yield in words what differs from the files."""
        due: dict[Key, dict[tuple[str, int], State]] = {}
        for key, found in self.states.items():
            due[key] = oracle.states(key)
            # Of whom nothing counts any more, nothing is answered.
            said = dict.fromkeys(due[key], NOT_ASSAYED) | found
            if said != due[key]:
                differ = {p for p in said.keys() | due[key] if said.get(p) != due[key].get(p)}
                one = min(differ)
                yield f"{key}: {one} is {found.get(one)}, must be {due[key].get(one)}"
        gone = oracle.persons() - set().union(*self.states.values())
        told = {p for states in due.values() for p in gone if states[p] != NOT_ASSAYED}
        if told:
            yield f"not among the persons with genotypes: {told}"
        yield from self._differences_by_sex(oracle, due)
        counted = {key: counts(due[key].values()) for key in listed}
        if self.folded.keys() != listed:
            yield f"counted but not listed, or not counted: {set(self.folded) ^ listed}"
        for key in self.folded.keys() & listed:
            if self.folded[key] != counted[key]:
                yield f"{key}: counts are {self.folded[key]}, must be {counted[key]}"
        asked = {key: of for key, of in counted.items() if of["an"]}
        rows = {_key(row): row for row in self.frequencies.iter_rows(named=True)}
        if rows.keys() != asked.keys():
            yield f"frequencies of others: {rows.keys() ^ asked.keys()}"
        for key in rows.keys() & asked.keys():
            ac, an = asked[key]["ac"], asked[key]["an"]
            row = tuple(rows[key][name] for name in ("ac", "an", "af", "maf"))
            if row != (ac, an, ac / an, min(ac, an - ac) / an):
                yield f"{key}: frequency is {row}, must be of {ac} in {an}"

    def _differences_by_sex(
        self, oracle: NetworkOracle, due: Mapping[Key, Mapping[tuple[str, int], State]]
    ) -> Iterator[str]:
        persons = set().union(*self.states.values())
        groups: dict[str | None, list[tuple[str, int]]] = {}
        for site, person in persons:
            sex = _SEXES[oracle.sites[site].sex(person)]
            groups.setdefault(sex, []).append((site, person))
        expected = {
            (*key, sex): {
                **counts(states[one] for one in members),
                "persons": len(members),
                "n_not_assayed": [states[one] for one in members].count(NOT_ASSAYED),
            }
            for key, states in due.items()
            for sex, members in groups.items()
        }
        for at in sorted(self.by_sex.keys() | expected.keys(), key=str):
            if self.by_sex.get(at) != expected.get(at):
                yield f"{at}: by sex {self.by_sex.get(at)}, must be {expected.get(at)}"


def text(key: Key) -> str:
    """Return an allele as it is asked for."""
    return ":".join(map(str, key))


def six_counts(snapshot: Snapshot) -> dict[Key, dict[str, int]]:
    """Return the network's counts of every allele, as the replica folds them."""
    frames = [pl.read_parquet(path) for path in snapshot.paths("folded/").values()]
    rows = [row for frame in frames for row in frame.iter_rows(named=True)]
    found = {_key(row): {name: row[name] for name in COUNTED} for row in rows}
    assert len(found) == len(rows), "an allele is counted once"
    return found


def _key(row: Mapping[str, Any]) -> Key:
    return row["chrom"], row["pos"], row["ref"], row["alt"]


def failed_checks(site: pc.Site) -> list[str]:
    """Return what ``verify`` finds wrong."""
    return [check.line() for check in site.verify() if not check.ok]
