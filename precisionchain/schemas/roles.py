"""Roles of users, and the one table that says which role may do what.

An operation that is not in the table may be done by nobody: a new one is closed until somebody has
thought about it. Normative text: ``docs/reference/access-log.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

INSTITUTION: Final = "institution"
"""Works on the site's own staging, and publishes in the site's name."""
RESEARCHER: Final = "researcher"
"""Asks about persons and variants of the whole network, and takes answers out."""
AUDITOR: Final = "auditor"
"""Reads the access log, and no record."""
ADMIN: Final = "admin"
"""Says who is a member or a user; reads nothing."""

ROLES: Final = (INSTITUTION, RESEARCHER, AUDITOR, ADMIN)

ANYBODY: Final = frozenset(
    {"verify", "sync", "members", "join-token", "checkpoint", "prove", "check-proof"}
)
"""Operations that need no role: they show no record and no question."""

ROLE_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("sql", "publish", "withdraw", "readmit"), INSTITUTION),
    **dict.fromkeys(
        (
            "domain",
            "person",
            "timeline",
            "variant",
            "person-variants",
            "maf",
            "frequencies",
            "exclusions",
            "quality",
            "concept-counts",
            "why",
            "sequencing",
            "sites",
            "structural",
            "cohort",
            "cohorts",
            "concept",
            "concept-set",
            "concepts",
            "vocabularies",
            "export-cohort",
            "export-genotypes",
        ),
        RESEARCHER,
    ),
    **dict.fromkeys(
        ("audit-entries", "seen-by", "who-saw", "audit-summary", "audit-alerts"), AUDITOR
    ),
    **dict.fromkeys(
        (
            "admit",
            "compromised",
            "grant",
            "rekey",
            "restore",
            "revoke",
            "rotate-key",
            "user-add",
            "user-grant",
            "user-revoke",
            "user-rotate-key",
        ),
        ADMIN,
    ),
}
"""The role that each operation takes. Staging alone takes none: it is before any ledger."""


def may(operation: str, roles: Collection[str]) -> bool:
    """Return whether a user with these roles may do an operation; False for an unknown one."""
    return operation in ANYBODY or ROLE_OF.get(operation) in roles
