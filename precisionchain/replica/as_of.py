"""Generations of earlier positions: what readers would have answered when the ledger ended there,
without the persons who are withdrawn now.

Each is kept as a catalogue of its own below ``as_of/``, named by what it is made of, so that all
positions between two seals share one; files that the current generation has are the same files.
Rules: ``docs/reference/streams.md`` section 7, "As of".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from precisionchain.errors import UsageError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Entitled, seals
from precisionchain.ledger.chains import withdrawals
from precisionchain.replica.catalogue import (
    Snapshot,
    read_catalogue,
    unpacked_folder,
    write_catalogue,
)
from precisionchain.replica.digests import read_digests
from precisionchain.replica.generation import make_generation
from precisionchain.replica.locking import one_at_a_time
from precisionchain.replica.prune import AS_OF
from precisionchain.replica.reading import reading
from precisionchain.replica.resolve import (
    Resolution,
    SiteOf,
    Withdrawn,
    resolve,
    withdrawn_by_site,
)
from precisionchain.replica.sync import catalogue_of
from precisionchain.schemas.streams import MAP_PERSON, person_family

Moment: TypeAlias = "int | date | datetime | str"
"""A position of the ledger, or a time; a text of either."""

_FORMAT: Final = "as of 1"
_HINT: Final = "a position, as 1234, or a time, as 2026-03-31 or 2026-03-31T12:00:00+00:00"


@dataclass(frozen=True, slots=True)
class AsOf:
    """What answers are as of.

    Attributes:
        position: of the ledger.
        time: when the ledger took the last item up to it, UTC.
        left_out: the persons who were withdrawn since, and would answer had they not been.
    """

    position: int
    time: datetime
    left_out: int

    def __str__(self) -> str:
        persons = (
            "1 withdrawn person" if self.left_out == 1 else f"{self.left_out} withdrawn persons"
        )
        when = self.time.astimezone(UTC).isoformat(timespec="seconds")
        return f"as of position {self.position} ({when}): {persons} left out"


def final_position(ledger: Ledger, moment: Moment) -> tuple[int, datetime]:
    """Return the last final position at or before a moment, and when its item was taken.

    A time without an offset is UTC; a day stands for its end.

    Raises:
        UsageError: it is neither a position nor a time, lies before the first item, or is a
            position after the last one.
    """
    given = _read(moment)
    last = ledger.head().position
    if isinstance(given, int):
        if given > last:
            raise UsageError(f"the ledger ends at position {last}", hint=_HINT)
        position = given
    else:
        position = _last_before(ledger, given, last)
    found = _at_or_before(ledger, position)
    if found is None:
        raise UsageError("the network began later than that", hint=_HINT)
    return found if isinstance(given, datetime) else (position, found[1])


def snapshot_as_of(
    ledger: Ledger,
    current: Snapshot,
    position: int,
    *,
    entitled: Entitled,
    site_of: SiteOf,
    progress: Callable[[str], None] | None = None,
) -> Snapshot:
    """Return the generation of an earlier position, making it where it is not kept.

    Args:
        ledger: read only.
        current: the newest generation, synced before.
        position: of the ledger, not after the newest generation's.
        entitled: whether a single item was signed by someone who could.
        site_of: a publisher's site.
        progress: called with a line per step.
    """
    root, newest = current.root, current.catalogue
    network = bytes.fromhex(newest.network)
    resolved = resolve(newest.sealed, position, newest.withdrawn)
    path = root / AS_OF / f"{_digest(resolved)}.json"
    found = read_catalogue(path, network)
    if found is None:
        then = [seal for seal in seals(ledger, entitled) if seal.position <= position]
        already = withdrawn_by_site(withdrawals(ledger, then, network), site_of)
        with one_at_a_time(root), reading(current):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            made = make_generation(root, resolved, progress)
            left_out = _left_out(root, resolved, already, made.gone)
            earlier = replace(newest, position=position, head=None, left_out=left_out)
            known = read_digests(current) or {}
            found = catalogue_of(root, earlier, resolved, made, known)
            write_catalogue(path, found)
    else:
        os.utime(path)
    later = (one.position for one in newest.sealed if one.position > position)
    return Snapshot(root, replace(found, position=position, next_seal=min(later, default=None)))


def _digest(resolved: Resolution) -> str:
    """Return what names a generation: two of one name answer alike, whatever their positions."""
    sealed = [(one.batch, one.withdrawn is not None) for one in resolved.sealed]
    said = json.dumps([_FORMAT, sealed, sorted(resolved.withdrawn.items())])
    return sha256(said.encode()).hexdigest()[:32]


def _left_out(
    root: Path, resolved: Resolution, already: Withdrawn, gone: Mapping[str, Path]
) -> int:
    """Return how many persons the batches that count hold who were withdrawn since."""
    # As the universe has them: by the mapping, or by the rows where that is made from these.
    mapped = (
        f"{MAP_PERSON}/*.parquet"
        if not resolved.taken_back
        else f"{person_family(1)[:-1]}*/*.parquet"
    )
    held: set[tuple[str, int]] = set()
    for one in (*resolved.counting("omop"), *resolved.counting("vcf")):
        then = set(already.get(one.site, ()))
        since = [person for person in resolved.withdrawn.get(one.site, ()) if person not in then]
        folder = unpacked_folder(root, one.batch)
        for file in (*folder.glob(mapped), *folder.glob("samples.parquet")) if since else ():
            if "person_id" not in pl.read_parquet_schema(file):
                continue
            rows = pl.scan_parquet(file).filter(pl.col("person_id").is_in(since))
            if one.batch in gone and one.kind == "omop":
                places = pl.scan_parquet(gone[one.batch]).filter(pl.col("batch") == one.batch)
                rows = rows.join(places, on=["ordinal", "row"], how="anti")
            held |= {(one.site, person) for person in rows.collect()["person_id"]}
    return len(held)


def _read(moment: Moment) -> int | datetime:
    """Return a position, or a time with its offset.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(moment, str):
        if re.fullmatch("[0-9]{1,18}", moment.strip()):
            return int(moment)
        try:
            day = re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", moment.strip())
            read = date if day else datetime
            moment = read.fromisoformat(moment.strip())
        except ValueError:
            raise UsageError("neither a position nor a time", hint=_HINT) from None
    if isinstance(moment, bool) or (isinstance(moment, int) and moment < 0):
        raise UsageError("neither a position nor a time", hint=_HINT)
    if isinstance(moment, int):
        return moment
    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(moment, date):
        return datetime.combine(moment, time.max, UTC)
    raise UsageError("neither a position nor a time", hint=_HINT)


def _last_before(ledger: Ledger, moment: datetime, last: int) -> int:
    """Return a position after which every item is later than a moment, and none before it is.

    Times do not decrease with position, so it is found by halving.
    """
    low, high = -1, last
    while low < high:
        middle = (low + high) // 2
        following = next(iter(ledger.items(after=middle, limit=1)), None)
        if following is None or following.position > high or following.time > moment:
            high = middle
        else:
            low = following.position
    return low


def _at_or_before(ledger: Ledger, position: int) -> tuple[int, datetime] | None:
    """Return position and time of the last item up to a position, None before the first one."""
    reach = 1
    while True:
        after = max(position - reach, -1)
        found = None
        for item in islice(ledger.items(after=after, limit=reach), reach):
            if item.position <= position:
                found = (item.position, item.time)
        if found is not None or after == -1:
            return found
        reach *= 2
