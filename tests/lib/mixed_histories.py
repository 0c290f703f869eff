"""Lives of mixed networks: what is drawn and done, and where answers differ from the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from precisionchain.errors import SealRefusedError
from tests.lib.mixed_loads import UNLISTED, Drawing
from tests.lib.mixed_networks import Mixed, failed_checks

SITES = ("A", "B", "C")


@dataclass
class Found:
    """What was asked, and what differed."""

    states: int = 0
    alleles: int = 0
    done: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def ask(self, network: Mixed, names: Sequence[str]) -> None:
        """Compare what sites answer with the files."""
        listed = network.oracle.alleles()
        for name in names:
            answers = network.answers(name, sorted(listed | set(UNLISTED)))
            self.states += answers.n_states
            self.alleles += len(listed)
            self.differences += answers.differences(network.oracle, listed)


def life(folder: Path, rng: Random, steps: int) -> Found:
    """Let sites load, load again, withdraw and readmit, and compare in the end.

    Args:
        folder: an empty folder.
        rng: what is drawn from.
        steps: how much happens.
    """
    drawing, network = _begun(folder, rng, SITES[: rng.choice((2, 3))])
    names = list(network.oracle.sites)
    found = Found()
    loaded: list[tuple[str, int, str]] = []
    for number in range(steps):
        site = rng.choice(names)
        oracle = network.oracle.sites[site]
        kind = rng.choice(("load",) * 5 + ("withdraw", "readmit", "withdraw batch"))
        load = drawing.load(site)
        left = set(load.persons.values()) - oracle.withdrawn
        if number < len(names) or kind == "load":
            if not left or not load.taken:
                continue
            batch = network.load(load, source=f"load {number}")
            loaded.append((site, len(oracle.published) - 1, batch))
            if rng.random() < 0.3:
                found.done["retry"] += 1
                same = network.load(load, source=f"load {number}", again=True)
                found.differences += [] if same == batch else [f"again is {same}, not {batch}"]
        elif kind == "withdraw":
            network.withdraw(site, set(rng.sample(range(1, 7), 2)))
        elif kind == "readmit" and oracle.withdrawn:
            network.readmit(site, {rng.choice(sorted(oracle.withdrawn))})
        elif kind == "withdraw batch" and loaded:
            network.withdraw_batch(*loaded.pop(rng.randrange(len(loaded))))
        found.done[kind] += 1
    found.ask(network, [rng.choice(names)])
    found.differences += failed_checks(network.site(names[0]).site)
    return found


def one_load(folder: Path, rng: Random, persons: int) -> Found:
    """Compare a load with any split of it, in any order, over sites, with retries.

    Args:
        folder: an empty folder.
        rng: what is drawn from.
        persons: how many the load is of.
    """
    drawing, once = _begun(folder, rng, ("A",), "once")
    whole = drawing.whole("A", persons)
    found = Found()
    if not whole.taken:
        return found
    once.load(whole, source="whole")
    names = SITES[: rng.choice((1, 2))]
    _, split = _begun(folder, rng, names, "split")
    drawn = drawing.split(whole, names)
    parts = [part for part in drawn if part.taken]
    found.done["parts"] += len(parts)
    for number, part in enumerate(parts):
        split.load(part, source=f"part {number}")
        if rng.random() < 0.3:
            found.done["retry"] += 1
            again = rng.randrange(number + 1)
            split.load(parts[again], source=f"part {again}", again=True)
    keys = sorted(once.oracle.alleles() | set(UNLISTED))
    one, other = once.answers("A", keys), split.answers(names[-1], keys)
    found.states, found.alleles = one.n_states + other.n_states, 2 * len(keys)
    found.differences += one.differences(once.oracle, once.oracle.alleles())
    found.differences += other.differences(split.oracle, split.oracle.alleles())
    if one.folded != other.folded:
        found.differences.append("the counts of the parts are not those of the whole")
    if len(parts) < len(drawn):
        return found  # a file of refused records alone is refused, and what it covers with it
    for key in keys:
        parted = {person: state for (_, person), state in other.states[key].items()}
        if {person: state for (_, person), state in one.states[key].items()} != parted:
            found.differences.append(f"{key}: states of the parts are not those of the whole")
    return found


def interleaved(folder: Path, rng: Random) -> Found:
    """Let two sites stage and publish by turns, each step where it happens to fall."""
    drawing, network = _begun(folder, rng, ("A", "B"))
    found = Found()
    steps: list[list[tuple[str, str]]] = []
    loads = {}
    for site in ("A", "B"):
        for number in range(2):
            load = drawing.load(site, odd=0.0)
            if load.taken:
                source = f"{site} {number}"
                loads[source] = load
                steps.append([("stage", source), ("publish", source)])
    while any(steps):
        chosen = rng.choice([one for one in steps if one])
        what, source = chosen.pop(0)
        found.done[what] += 1
        if what == "stage":
            network.stage(loads[source], source=source)
        else:
            network.oracle.sites[loads[source].site].load(loads[source])
            network.publish(loads[source], source=source)
    found.ask(network, ("A", "B"))
    return found


def controlled(folder: Path, rng: Random) -> Found:
    """Let quality control take out what misses calls at one site, and compare with another's.

    What it took out is asked of the network; here the question is what becomes of it: nobody's
    genotype at such an allele is told, nor where its record lies, whatever other batches list.
    """
    drawing, network = _begun(folder, rng, ("A", "B"))
    found = Found()
    load = drawing.whole("A", persons=34)
    other = replace(drawing.whole("B", persons=3), half_call="missing")
    if not load.taken or not other.taken:
        return found
    try:
        network.ingest(load, source="controlled", qc="remove")
    except SealRefusedError:  # it would leave no person, or no allele
        found.done["nothing left"] += 1
        return found
    network.load(other, source="other")
    with network.site("B").network() as asked:
        rows = asked.exclusions().rows(named=True)
    gone = {row["person_id"] for row in rows if row["kind"] == "person"}
    removed = frozenset(
        (row["chrom"], row["pos"], row["ref"], row["alt"])
        for row in rows
        if row["kind"] == "variant"
    )
    found.done += Counter({"removed alleles": len(removed), "removed persons": len(gone)})
    samples = {sample: person for sample, person in load.persons.items() if person not in gone}
    network.oracle.sites["A"].load(replace(load, persons=samples, removed=removed))
    found.ask(network, ("A", "B"))
    return found


def _begun(
    folder: Path, rng: Random, names: Sequence[str], name: str = "network"
) -> tuple[Drawing, Mixed]:
    inputs, place = folder / f"inputs of {name}", folder / name
    inputs.mkdir()
    place.mkdir()
    return Drawing(inputs, rng), Mixed(place, names)
