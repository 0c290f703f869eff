"""Random logs of random users on failing ledgers: the searches say exactly what happened.

The oracle keeps a plain record of every question as it is asked and answers from that.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.access import postings
from precisionchain.access.evaluated import Evaluated, evaluated_value
from precisionchain.access.log import AccessLog
from precisionchain.access.search import AuditSearch
from precisionchain.errors import AccessRefusedError, LedgerUnavailableError
from tests.lib.audited_network import AuditedNetwork
from tests.lib.dying_ledger import DyingLedger

USERS = ("ada@A", "amy@A", "bob@B")
STRANGER = "eve@B"
SITES = ("A", "B")
PERSON_IDS = (-3, 0, 42, 2**62)
ALLELES = tuple((chrom, pos, "A", alt) for chrom in "9X" for pos in (5, 6) for alt in "G")
RECORDS = ("clinical", "genetic", "clinical+genetic")
ENDINGS = ("answer", "refuse", "fail", "die before", "die after", "stranger", "answer")

Persons = frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Asked:
    """One question as the oracle remembers it."""

    number: int
    user: str
    ending: str
    data: str
    returned: Persons = frozenset()
    contributed: Persons = frozenset()
    variants: frozenset[tuple[str, int, str, str]] = frozenset()

    @property
    def status(self) -> str | None:
        """What the log must say; a request that never landed was never asked."""
        return {
            "answer": "answered",
            "refuse": "refused",
            "fail": "failed",
            "die after": "may have seen",
        }.get(self.ending)


PERSONS = st.frozensets(st.tuples(st.sampled_from(SITES), st.sampled_from(PERSON_IDS)), max_size=6)
ASKED = st.builds(
    Asked,
    number=st.just(0),
    user=st.sampled_from(USERS),
    ending=st.sampled_from(ENDINGS),
    data=st.sampled_from(["clinical", "genetic", "clinical+genetic", "staging", "access-log"]),
    returned=PERSONS,
    contributed=PERSONS,
    variants=st.frozensets(st.sampled_from(ALLELES), max_size=4),
)


@dataclass
class Story:
    """Asks the questions of a log through gates, and keeps the truth."""

    net: AuditedNetwork
    truth: list[Asked] = field(default_factory=list)

    def tell(self, asked: Asked) -> None:
        """Ask one question and let it end as it must."""
        entries_left = {"die before": 0, "die after": 1}.get(asked.ending, 2)
        ledger = DyingLedger(self.net.ledger, fail_at=entries_left)
        user = STRANGER if asked.ending == "stranger" else asked.user

        def evaluate() -> Evaluated[int]:
            if asked.ending == "refuse":
                raise AccessRefusedError("no")
            if asked.ending == "fail":
                raise ZeroDivisionError
            value = evaluated_value(asked.number)
            return Evaluated(
                value.value,
                value.rows,
                value.digest,
                by_site(asked.returned),
                by_site(asked.contributed),
                alleles_of(asked.variants),
            )

        with suppress(AccessRefusedError, ZeroDivisionError, LedgerUnavailableError):
            gate = self.net.gate(user, ledger)
            gate.ask("cohort", asked.data, {"number": asked.number}, evaluate)
        self.truth.append(asked)

    def check(self) -> None:
        """Compare every search with the truth."""
        search = AuditSearch(self.net.ledger, self.net.membership(), None, self.net.keyring())
        self.check_entries(search)
        for user in (*USERS, STRANGER):
            assert seen(search.seen_by(user)) == self.seen_by(user)
        for site in SITES:
            for person_id in PERSON_IDS:
                found = search.who_saw(f"{site}:{person_id}")
                assert how_by_number(found) == self.who_saw_person(site, person_id)
        for allele in ALLELES:
            found = search.who_saw(":".join(map(str, allele)))
            assert how_by_number(found) == self.who_saw_variant(allele)

    def check_entries(self, search: AuditSearch) -> None:
        frame = search.entries()
        expected: list[tuple[Any, ...]] = []
        for asked in self.truth:
            kind = {"answer": "result", "refuse": "refused", "fail": "failed"}.get(asked.ending)
            if asked.status is not None:
                expected.append((asked.number, asked.user, "request", asked.status, None, None))
            if asked.status is not None and kind is not None:
                counts: tuple[int | None, int | None] = (None, None)
                if kind == "result":
                    counts = (len(asked.returned), len(asked.contributed - asked.returned))
                expected.append((asked.number, asked.user, kind, asked.status, *counts))
        columns = ["user", "kind", "status", "n_persons_returned", "n_persons_contributed"]
        found = zip(numbers(frame), *(frame[name].to_list() for name in columns), strict=True)
        assert list(found) == expected
        strangers = sum(asked.ending == "stranger" for asked in self.truth)
        log = AccessLog(self.net.ledger, self.net.membership(), self.net.keyring())
        log_keys = int(strangers > 0)  # one stranger, and one log key
        assert len(list(log.findings())) == 2 * strangers + log_keys

    def seen_by(self, user: str) -> dict[int, tuple[str, Persons, Persons, frozenset[str]]]:
        nobody: Persons = frozenset()
        found: dict[int, tuple[str, Persons, Persons, frozenset[str]]] = {}
        for asked in self.truth:
            if asked.user != user:
                continue
            if asked.ending == "answer":
                texts = frozenset(":".join(map(str, allele)) for allele in asked.variants)
                apart = asked.contributed - asked.returned
                found[asked.number] = ("answered", asked.returned, apart, texts)
            elif asked.ending == "die after":
                found[asked.number] = ("may have seen", nobody, nobody, frozenset())
        return found

    def who_saw_person(self, site: str, person_id: int) -> dict[int, str]:
        found = {}
        for asked in self.truth:
            if asked.ending == "answer" and (site, person_id) in asked.returned:
                found[asked.number] = "returned"
            elif asked.ending == "answer" and (site, person_id) in asked.contributed:
                found[asked.number] = "contributed"
            elif asked.ending == "die after":
                own = asked.user.endswith(f"@{site}")
                if asked.data in RECORDS or (asked.data == "staging" and own):
                    found[asked.number] = "may have seen"
        return found

    def who_saw_variant(self, allele: tuple[str, int, str, str]) -> dict[int, str]:
        found = {}
        for asked in self.truth:
            if asked.ending == "answer" and allele in asked.variants:
                found[asked.number] = "returned"
            elif asked.ending == "die after" and asked.data not in ("clinical", "access-log"):
                found[asked.number] = "may have seen"
        return found


def by_site(some: Persons) -> dict[str, np.ndarray]:
    return postings.persons({site: [i for s, i in some if s == site] for site in SITES})


def alleles_of(some: frozenset[tuple[str, int, str, str]]) -> pl.DataFrame:
    return postings.alleles(pl.DataFrame(list(some), schema=postings.ALLELE_SCHEMA, orient="row"))


def numbers(frame: pl.DataFrame) -> list[int]:
    return [json.loads(text)["number"] for text in frame["question"]]


def how_by_number(frame: pl.DataFrame) -> dict[int, str]:
    how = [how or status for how, status in frame.select("how", "status").rows()]
    found = dict(zip(numbers(frame), how, strict=True))
    assert len(found) == frame.height
    return found


def seen(frame: pl.DataFrame) -> dict[int, tuple[str, Persons, Persons, frozenset[str]]]:
    columns = ("status", "persons_returned", "persons_contributed", "variants_returned")
    found = {}
    for number, (status, *lists) in zip(numbers(frame), frame.select(columns).rows(), strict=True):
        returned, contributed, variants = (items or [] for items in lists)
        found[number] = (status, parsed(returned), parsed(contributed), frozenset(variants))
    assert len(found) == frame.height
    return found


def parsed(texts: list[str]) -> Persons:
    split = [text.split(":") for text in texts]
    return frozenset((site, int(person_id)) for site, person_id in split)


def story(stream_items: int) -> Story:
    net = AuditedNetwork(stream_items=stream_items)
    for user in USERS:
        net.add_user(user)
    return Story(net)


@given(questions=st.lists(ASKED, max_size=8), stream_items=st.sampled_from([2, 5, 100]))
def test_searches_of_a_random_log_are_exact(questions: list[Asked], stream_items: int) -> None:
    told = story(stream_items)
    for number, asked in enumerate(questions):
        told.tell(Asked(**{**vars(asked), "number": number}))
    told.check()


def test_searches_of_a_long_log_are_exact() -> None:
    rng = random.Random(1)
    told = story(stream_items=400)
    everyone = [(site, person_id) for site in SITES for person_id in PERSON_IDS]
    for number in range(1_000):
        told.tell(
            Asked(
                number,
                rng.choice(USERS),
                rng.choice(ENDINGS),
                rng.choice(["clinical", "genetic", "staging"]),
                frozenset(rng.sample(everyone, rng.randint(0, 4))),
                frozenset(rng.sample(everyone, rng.randint(0, 8))),
                frozenset(rng.sample(ALLELES, rng.randint(0, 2))),
            )
        )
    search = AuditSearch(told.net.ledger, told.net.membership(), None, told.net.keyring())
    told.check_entries(search)
    assert seen(search.seen_by("bob@B")) == told.seen_by("bob@B")
    assert how_by_number(search.who_saw("B:-3")) == told.who_saw_person("B", -3)
    found = search.who_saw(":".join(map(str, ALLELES[0])))
    assert how_by_number(found) == told.who_saw_variant(ALLELES[0])
