"""Who counts where: streams of records as small tables, and what they let be said between them.

A record is a line: position, day of January 2026, the key that signs, and what it says. ``B2`` is
site B's second key, ``ada@B1`` the first of user ada.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from precisionchain.schemas.roles import ROLE_OF, ROLES, may
from tests.generative.test_rights import folded, probe
from tests.lib.rights_oracle import Said

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGINNING = """
    1 | 1 | A1 | member A admin
    2 | 1 | A1 | member B until 5
    3 | 1 | B1 | user ada@B auditor
"""


def at(day: int, **more: int) -> datetime:
    return NOON + timedelta(days=day - 1, **more)


def read_table(text: str) -> list[Said]:
    said: list[Said] = []
    numbers: dict[str, int] = {}
    for line in text.strip().splitlines():
        position, day, by, words = (cell.strip() for cell in line.split("|"))
        kind, name, *rest = words.split()
        body = _body(kind, name, rest)
        if "number" in body:
            numbers[name] = body["number"] = numbers.get(name, 0) + 1
        kind = {"revoke": "revocation", "rotate": "rotation"}.get(kind, kind)
        said.append(Said(int(position), at(int(day)), kind, by.replace("A1", "A0"), body))
    return said


def _body(kind: str, name: str, rest: list[str]) -> dict[str, Any]:
    until = re.search(r"until (\d+)", " ".join(rest))
    expires = date(2026, 1, int(until[1])) if until else None
    roles = tuple(word for word in rest if word in ROLES)
    key = {"public_key": f"{name}1".replace("A1", "A0"), "addresses": {}}
    if kind == "member":
        code = f"{name.lower()}0"
        return {"site": name, "code": code, **key, "admin": "admin" in rest, "expires": expires}
    if kind == "user":
        site = name.partition("@")[2]
        return {"user": name, "site": site, **key, "roles": roles, "expires": expires}
    body: dict[str, Any] = {"name": name, "number": 0}
    if kind == "grant":
        said = {"roles": roles} if "@" in name else {"admin": "admin" in rest}
        return {**body, **said, "expires": expires}
    if kind == "rotate":
        old, new = (word.replace("A1", "A0") for word in rest)
        return {**body, "public_key": new, "proof": old, "addresses": {}}
    if kind == "compromised":
        return {**body, "public_key": rest[0].replace("A1", "A0"), "since": int(rest[1])}
    return body


# what comes after BEGINNING -> rules broken, and where which key counts on which day
STREAMS: dict[str, tuple[str, str, str]] = {
    "a renewal counts from its place on, and fills no gap": (
        """
        10 | 7 | A1 | grant B until 20
        """,
        "",
        """
        B1     | day 5 | 3-9 11-
        B1     | day 6 | 11-
        B1     | day 20 | 11-
        B1     | day 21 |
        ada@B1 | day 6 | 11-
        """,
    ),
    "a removed site is taken in again with its users": (
        """
        10 | 1 | A1 | revoke B
        15 | 1 | A1 | grant B until 5
        """,
        "",
        """
        B1     | day 1 | 3-9 16-
        ada@B1 | day 1 | 4-9 16-
        """,
    ),
    "a removed user is not taken in with the site": (
        """
        10 | 1 | B1 | revoke ada@B
        11 | 1 | A1 | revoke B
        15 | 1 | A1 | grant B
        20 | 1 | B1 | grant ada@B auditor
        """,
        "",
        """
        ada@B1 | day 1 | 4-9 21-
        """,
    ),
    "a site that is removed or expired changes no user": (
        """
        8  | 6 | B1 | grant ada@B admin
        9  | 6 | A1 | grant B
        10 | 6 | A1 | revoke B
        11 | 6 | B1 | revoke ada@B
        """,
        "entitled 8, entitled 11",
        "",
    ),
    "an administrator is one from the grant on, until the next": (
        """
        4  | 1 | B1 | member C
        5  | 1 | A1 | grant B admin
        6  | 1 | B1 | member C
        7  | 1 | A1 | grant B
        8  | 1 | B1 | revoke C
        """,
        "entitled 4, entitled 8",
        """
        C1 | day 1 | 7-
        """,
    ),
    "of two administrators the compromised one is removed, and the last one never": (
        """
        4  | 1 | A1 | grant B admin
        5  | 1 | B1 | revoke A
        6  | 1 | B1 | revoke B
        7  | 1 | B1 | grant B
        8  | 1 | B1 | grant B admin until 20
        """,
        "last 6, last 7, last 8",
        """
        A0 | day 1 | 2-4
        B1 | day 1 | 3-
        """,
    ),
    "a site goes on under its new key only": (
        """
        10 | 1 | B1 | rotate B B1 B2
        11 | 1 | B1 | user bob@B auditor
        12 | 1 | B2 | user bob@B auditor
        """,
        "entitled 11",
        """
        B1     | day 1 | 3-9
        B2     | day 1 | 11-
        bob@B1 | day 1 | 13-
        ada@B1 | day 1 | 4-
        """,
    ),
    "a new key proves that it replaces this one": (
        """
        10 | 1 | B1 | rotate B A1 B2
        11 | 1 | B1 | rotate B B1 ada@B1
        """,
        "proof 10, taken 11",
        "",
    ),
    "an administrator gives a new key to a removed site only": (
        """
        10 | 1 | A1 | rotate B B1 B2
        11 | 1 | A1 | revoke B
        12 | 1 | A1 | rotate B B1 B2
        13 | 1 | A1 | grant B
        """,
        "entitled 10",
        """
        B1 | day 1 | 3-10
        B2 | day 1 | 14-
        """,
    ),
    "what a stolen key said is not, and what rests on it neither": (
        """
        4  | 1 | A1 | grant B admin
        10 | 1 | B1 | member C admin
        11 | 1 | C1 | member D
        12 | 1 | B1 | rotate B B1 B2
        13 | 1 | A1 | compromised B B1 10
        """,
        "compromised 10, entitled 11",
        """
        B1 | day 1 | 3-9
        B2 | day 1 | 13-
        C1 | day 1 |
        D1 | day 1 |
        """,
    ),
    "a declaration rests on nothing that it undoes": (
        """
        10 | 1 | A1 | member C admin
        11 | 1 | C1 | compromised A A1 9
        """,
        "entitled 11",
        """
        A0 | day 1 | 2-
        C1 | day 1 | 11-
        """,
    ),
    "a thief's declaration falls when the thief's key does": (
        """
        4  | 1 | A1 | grant B admin
        5  | 1 | A1 | member C admin
        10 | 1 | B1 | compromised A A1 6
        12 | 1 | C1 | compromised B B1 7
        """,
        "compromised 10",
        """
        A0 | day 1 | 2-
        B1 | day 1 | 3-6
        """,
    ),
    "all that a thief declared falls, and honest keys are trusted again": (
        """
        4  | 1 | A1 | grant B admin
        5  | 1 | A1 | member C admin
        6  | 1 | A1 | member D admin
        10 | 1 | B1 | compromised A A1 7
        11 | 1 | B1 | compromised C C1 8
        12 | 1 | D1 | compromised B B1 9
        """,
        "compromised 10, compromised 11",
        """
        A0 | day 1 | 2-
        B1 | day 1 | 3-8
        C1 | day 1 | 6-
        D1 | day 1 | 7-
        """,
    ),
    "a later declaration names an earlier position, never a later one": (
        """
        10 | 1 | B1 | rotate B B1 B2
        11 | 1 | B2 | compromised B B1 8
        12 | 1 | B2 | compromised B B1 9
        13 | 1 | A1 | compromised B B1 5
        14 | 1 | A1 | compromised B B1 2
        """,
        "since 12, since 14",
        """
        B1 | day 1 | 3-4
        B2 | day 1 | 11-
        """,
    ),
    "what was asked with a stolen key before the declaration stays": (
        """
        10 | 1 | B1 | compromised ada@B ada@B1 5
        11 | 1 | B1 | rotate ada@B ada@B1 ada@B2
        """,
        "",
        """
        ada@B1 | day 1 | 4-9
        ada@B2 | day 1 | 12-
        """,
    ),
    "no declaration leaves the network without an administrator": (
        """
        4  | 1 | A1 | grant B admin until 20
        10 | 1 | B1 | compromised A A1 5
        """,
        "last 10",
        """
        A0 | day 1 | 2-
        """,
    ),
    "a user whose record came before the site's is there with it": (
        """
        10 | 1 | C1 | user zoe@C auditor
        12 | 1 | A1 | member C
        """,
        "",
        """
        zoe@C1 | day 1 | 13-
        """,
    ),
    "a user of another site than the early key's is not": (
        """
        10 | 1 | C1 | user zoe@B auditor
        12 | 1 | A1 | member C
        """,
        "entitled 10",
        """
        zoe@B1 | day 1 |
        """,
    ),
}


def places(text: str, last: int) -> set[int]:
    """``3-5 9-`` is 3, 4, 5, and 9 and all after it."""
    found: set[int] = set()
    for part in text.split():
        first, _, end = part.partition("-")
        found |= set(range(int(first), int(end or last) + 1))
    return found


@pytest.mark.parametrize("name", STREAMS)
def test_who_counts_where(name: str) -> None:
    text, broken, there = STREAMS[name]
    said = read_table(BEGINNING.rstrip() + text.rstrip())
    network = folded(said)

    assert ", ".join(f"{f.check} {f.position}" for f in network.findings) == broken
    last = said[-1].position + 2
    free = set(range(1, last + 1)) - {one.position for one in said}
    for line in there.strip().splitlines():
        key, day, expected = (cell.strip() for cell in line.split("|"))
        time = at(int(day.split()[1]))
        found = {
            place
            for place in free
            if network.is_entitled(probe(key, place, time, access="@" in key))
        }
        assert found == places(expected, last) & free, line


# ----------------------------------------------------------------- roles at the edges of a standing

EDGES = {
    "the grant": ("10 | 1 | B1 | grant ada@B {after}", 9, 11, at(1), at(1)),
    "the removal": ("10 | 1 | B1 | revoke ada@B", 9, 11, at(1), at(1)),
    "the site's removal": ("10 | 1 | A1 | revoke B", 9, 11, at(1), at(1)),
    "the last day": (
        "10 | 1 | B1 | grant ada@B {before} until 3",
        11,
        11,
        datetime(2026, 1, 3, 23, 59, 59, 999999, UTC),
        datetime(2026, 1, 4, tzinfo=UTC),
    ),
    "the site's last day": (
        "10 | 1 | B1 | grant ada@B {before}",
        11,
        11,
        datetime(2026, 1, 5, 23, 59, 59, 999999, UTC),
        datetime(2026, 1, 6, tzinfo=UTC),
    ),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("role", ROLES)
def test_each_role_and_operation_before_and_after(edge: str, role: str) -> None:
    """After a grant the roles are the next one; after every other edge there are none."""
    line, before, after, time, later = EDGES[edge]
    other = ROLES[(ROLES.index(role) + 1) % len(ROLES)]
    beginning = BEGINNING.replace("auditor", role).rstrip()
    network = folded(read_table(f"{beginning}\n{line.format(before=role, after=other)}"))
    assert network.findings == []
    due = [(before, time, {role}), (after, later, {other} if edge == "the grant" else set())]
    for position, moment, roles in due:
        user = network.user_at(probe("ada@B1", position, moment, access=True))
        held = set(user.roles) if user else set()
        assert held == roles
        for operation, needed in ROLE_OF.items():
            assert may(operation, held) == (needed in roles), operation
