"""An access log of any length, written straight onto a ledger, and the truth of it in plain values.

Entries are encoded, signed and published by the project's own code, many to a publish; who asked
what, when, and whom the answer showed is kept beside it. Persons are kept as their places in their
site's list of ids, so that a hundred thousand entries fit into memory.
"""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from precisionchain.access import entries, postings
from precisionchain.access.entry_bodies import Sealing, encode_outcome, encode_request
from precisionchain.access.log_keys import log_key_item
from precisionchain.access.sealing import LogKey
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.publish_rules import in_chunks
from precisionchain.ledger.records import Member, member_item
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.items import Item, Payload
from tests.lib.audited_network import AuditedNetwork, key

SITES = ("A", "B", "C", "D")
OPERATIONS = {
    "domain": "clinical",
    "person": "clinical",
    "variant": "genetic",
    "maf": "genetic",
    "cohort": "clinical+genetic",
    "sql": "staging",
    "who-saw": "access-log",
}
ANSWERED, NOT_PERMITTED, REFUSED, FAILED, OPEN = (
    "answered",
    "not permitted",
    "refused",
    "failed",
    "may have seen",
)
STRANGER, FORGED = "stranger", "forged"
"""Endings of questions that do not count: by a key nobody knows, or signed by somebody else."""
_CODES = dict(zip(SITES, ("aa", "bb", "cc", "dd"), strict=True))


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that counts. ``returned`` holds places in the list of a site's ids.

    ``rest`` are the sites of which everybody else contributed, as to a cohort's numbers;
    ``contributed`` single persons who did. ``entry`` and ``ended`` are ledger positions.
    """

    number: int
    question_id: str
    user: str
    operation: str
    status: str
    entry: int
    time: datetime
    ended: int | None = None
    ended_time: datetime | None = None
    rows: int | None = None
    returned: dict[str, array[int]] = field(default_factory=dict)
    contributed: dict[str, array[int]] = field(default_factory=dict)
    rest: tuple[str, ...] = ()
    variants: tuple[int, ...] = ()

    @property
    def site(self) -> str:
        """The user's institution."""
        return self.user.partition("@")[2]

    @property
    def data(self) -> str:
        """What it may have read."""
        return OPERATIONS[self.operation]

    @property
    def state(self) -> str:
        """The status it has by now."""
        return OPEN if self.ended is None else self.status

    @property
    def answered(self) -> bool:
        """Whether what it showed is on the log by now."""
        return self.state in {ANSWERED, NOT_PERMITTED}

    @property
    def last_time(self) -> datetime:
        """When the last of its entries was taken."""
        return self.ended_time or self.time


@dataclass
class GeneratedLog:
    """Four institutions, some users each, and their questions.

    Args:
        ledger: written to; its clock must be `clock`.
        questions: how many are asked.
        persons: of each site.
        most: persons an answer returns at most.
        seed: of everything random.
        minutes: between two publishes, at most.
    """

    ledger: Ledger
    questions: int
    persons: int = 12_000
    most: int = 12_000
    seed: int = 1
    minutes: int = 80
    chunk: int = 25
    now: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    truth: list[Asked] = field(default_factory=list)
    ids: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=dict)
    alleles: list[tuple[str, int, str, str]] = field(default_factory=list)
    late: list[tuple[Asked, list[Item]]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.numbers = np.random.default_rng(self.seed)
        n = self.persons
        spread = np.unique(self.numbers.integers(-(2**62), 2**62, n))
        self.ids = {
            "A": np.arange(1, n + 1),
            "B": spread,
            "C": np.arange(n) * 3 - n,
            "D": np.unique(self.numbers.integers(0, 20 * n, n)),
        }
        self.alleles = sorted(
            (chrom, 1_000 + 7 * at, "A", alt)
            for chrom in ("1", "9", "X")
            for at in range(300)
            for alt in ("C", "G")
        )
        self.users = [f"user{at}@{site}" for at in range(10) for site in SITES]
        self.no_role = "user0@B"

    def clock(self) -> datetime:
        """The ledger's clock."""
        return self.now

    # ------------------------------------------------------------------------------------- writing

    def write(self) -> None:
        """Make the network and ask all questions."""
        self.found()
        self.go_on(self.questions)
        self.end()

    def found(self) -> None:
        """Make the network, its institutions and users."""
        self.net = AuditedNetwork(self.ledger)
        for site in SITES[2:]:
            member = Member(site, _CODES[site], *key(site).public, admin=False)
            self.net.publish(member_item(member, key("A"), self.net.network))
        for user in self.users:
            roles = ("admin",) if user == self.no_role else ("institution", "researcher", "auditor")
            self.net.add_user(user, roles)
        self.signers: dict[str, Signer] = {user: key(user) for user in (*self.users, "eve@A")}
        reader = key("A").encryption_key
        self.sealings = {
            signer: Sealing(signer, LogKey.of(signer, [reader])) for signer in self.signers.values()
        }
        for user in self.users:
            sealing = self.sealings[self.signers[user]]
            self.net.publish(log_key_item(sealing, user, self.net.network))

    def go_on(self, questions: int) -> None:
        """Ask so many more; some outcomes come only later, or at the end."""
        first = self.asked
        self.asked += questions
        for begin in range(first, self.asked, self.chunk):
            requests, outcomes = [], self.late
            for number in range(begin, min(begin + self.chunk, self.asked)):
                asked, item, ending = self.ask(number)
                requests.append((asked, item))
                if ending:
                    outcomes.append((asked, ending))
            self.late = [one for one in outcomes if self.rng.random() < 0.05]
            held = {one[0].number for one in self.late}
            self.publish(requests, [one for one in outcomes if one[0].number not in held])

    def end(self) -> None:
        """Publish the outcomes that were held back."""
        late, self.late = self.late, []
        self.publish([], late)

    def publish(
        self, requests: list[tuple[Asked, Item]], outcomes: list[tuple[Asked, list[Item]]]
    ) -> None:
        """Publish a chunk of entries at one moment, and note where they stand."""
        self.now += timedelta(minutes=self.rng.choice((0, 1, self.minutes // 2, self.minutes)))
        items = [item for _, item in requests] + [item for _, some in outcomes for item in some]
        chunks = in_chunks(items, self.ledger.limits)
        receipts = [self.ledger.publish(self.ledger.prepare(chunk)) for chunk in chunks]
        places = iter([position for receipt in receipts for position in receipt.positions])
        for asked, _ in requests:
            object.__setattr__(asked, "entry", next(places))
            object.__setattr__(asked, "time", self.now)
            if asked.status not in (STRANGER, FORGED):
                self.truth.append(asked)
        for asked, some in outcomes:
            last = [next(places) for _ in some][-1]
            object.__setattr__(asked, "ended", last)
            object.__setattr__(asked, "ended_time", self.now)

    def ask(self, number: int) -> tuple[Asked, Item, list[Item]]:
        """Return a question, its request, and the items of its outcome."""
        rng = self.rng
        user = self.users[min(int(rng.expovariate(1 / 12)), len(self.users) - 1)]
        operation = rng.choice(list(OPERATIONS))
        status = rng.choices(
            (ANSWERED, REFUSED, FAILED, OPEN, STRANGER, FORGED), (85, 6, 2, 5, 1, 1)
        )[0]
        if status == ANSWERED and user == self.no_role:
            status = NOT_PERMITTED
        signer = self.signers["eve@A" if status == STRANGER else user]
        question_id = rng.randbytes(16).hex()
        shown = self.shown(operation) if status in (ANSWERED, NOT_PERMITTED) else {}
        nowhere = datetime.min.replace(tzinfo=UTC)
        asked = Asked(number, question_id, user, operation, status, -1, nowhere, **shown)
        request = entries.Request(
            question_id,
            user,
            signer.public_key,
            self.now,
            operation,
            OPERATIONS[operation],
            {"number": number},
            "study" if number % 3 else None,
            number if number % 2 else None,
        )
        payload = encode_request(request, self.sealings[signer])
        forger = self.signers["eve@A"] if status == FORGED else signer
        item = self.item(user, question_id, payload, entries.request_batch(question_id), forger)
        if status == FORGED:
            real = item.publisher
            item = Item(
                item.stream,
                item.keys,
                item.item_class,
                signer.public_key,
                item.batch_id,
                0,
                item.payload,
                item.signature,
            )
            assert real != item.publisher
        return asked, item, self.outcome(asked, signer)

    def outcome(self, asked: Asked, signer: Signer) -> list[Item]:
        """Return the items of a question's outcome; none of one that has none."""
        match asked.status:
            case "answered" | "not permitted":
                outcome: entries.Outcome = entries.Result(
                    asked.question_id,
                    asked.rows or 0,
                    asked.question_id * 2,
                    self.persons_of(asked.returned),
                    self.contributed_to(asked),
                    self.alleles_of(asked.variants),
                )
            case "refused":
                outcome = entries.Refused(asked.question_id, "UsageError", "no")
            case "failed":
                outcome = entries.Failed(asked.question_id, "OSError")
            case _:
                return []
        return [
            self.item(
                asked.user,
                asked.question_id,
                payload,
                entries.outcome_batch(asked.question_id, part),
                signer,
            )
            for part, payload in enumerate(encode_outcome(outcome, self.sealings[signer]))
        ]

    def item(
        self, user: str, question_id: str, payload: Payload, batch: bytes, signer: Signer
    ) -> Item:
        """Return a signed entry."""
        return single_item(
            "ACCESS_1",
            (entries.user_key(user), entries.question_key(question_id)),
            payload,
            signer=signer,
            network=self.net.network,
            batch_id=batch,
        )

    # ------------------------------------------------------------------------------- what is shown

    def shown(self, operation: str) -> dict[str, Any]:
        """Return what an answer shows: most show few persons, some nearly everybody."""
        rng = self.rng
        found: dict[str, Any] = {"rows": rng.randrange(10_000)}
        if operation == "who-saw":
            return found
        if operation == "person":
            return {**found, "returned": self.some(rng.choice(SITES), 1)}
        if operation in ("variant", "maf"):
            most = 200 if operation == "maf" else 1
            first = rng.randrange(len(self.alleles))
            found["variants"] = tuple(
                range(first, min(first + rng.randint(1, most), len(self.alleles)))
            )
        if operation == "maf":
            return {**found, "rest": SITES[: rng.randint(1, 2)]} if rng.random() < 0.3 else found
        size = min(int(np.exp(rng.uniform(0, np.log(self.most)))), self.persons)
        site = rng.choice(SITES)
        found["returned"] = self.some(site, size, in_a_row=rng.random() < 0.2)
        if operation == "cohort":
            found["rest"] = (site,)
        elif rng.random() < 0.2:
            other = rng.choice([one for one in SITES if one != site])
            found["contributed"] = self.some(other, rng.randint(1, 50))
        return found

    def some(self, site: str, size: int, *, in_a_row: bool = False) -> dict[str, array[int]]:
        """Return places of persons of a site, ascending."""
        n = self.ids[site].size
        if in_a_row:
            first = self.rng.randrange(n - min(size, n) + 1)
            places = np.arange(first, first + min(size, n))
        else:
            places = np.sort(self.numbers.choice(n, min(size, n), replace=False))
        return {site: array("H", places.astype(np.uint16).tobytes())}

    def persons_of(self, some: dict[str, array[int]]) -> dict[str, Any]:
        """Return persons as entries take them."""
        return {
            site: self.ids[site][np.frombuffer(places, np.uint16)] for site, places in some.items()
        }

    def contributed_to(self, asked: Asked) -> dict[str, Any]:
        """Return whom an answer's numbers rest on, as entries take them."""
        found = self.persons_of(asked.contributed)
        for site in asked.rest:
            left = np.ones(self.ids[site].size, np.bool_)
            if site in asked.returned:
                left[np.frombuffer(asked.returned[site], np.uint16)] = False
            if left.any():
                found[site] = self.ids[site][left]
        return {site: found[site] for site in sorted(found)}

    def alleles_of(self, some: tuple[int, ...]) -> pl.DataFrame:
        """Return variants as entries take them."""
        named = [self.alleles[at] for at in some]
        return pl.DataFrame(named, schema=postings.ALLELE_SCHEMA, orient="row")
