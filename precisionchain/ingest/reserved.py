"""Names that an export may not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from precisionchain.errors import SealRefusedError, UsageError

if TYPE_CHECKING:
    from precisionchain.ledger.batches import Seal

LONGEST: Final = 100
"""Characters in the name of a source."""

_KINDS: Final = {
    "omop": "clinical records",
    "vcf": "genotypes",
    "sequencing": "sequencing metadata",
}


def refuse_reserved(source: str | None) -> None:
    """Refuse a name of a source that is no name, or that the batches of corrections have.

    A name stands in messages, tables and logs of every member, so it is one line of text.

    Raises:
        UsageError: it is.
    """
    from precisionchain.schemas.corrections import CORRECTIONS_SOURCE  # loads Arrow
    from precisionchain.schemas.sequencing import SOURCE_PREFIX

    if source is None:
        return
    if not source.isprintable() or source != source.strip() or not 0 < len(source) <= LONGEST:
        raise UsageError(
            "that is no name of a source",
            hint=f"1 to {LONGEST} printable characters, no blank at either end, as ehr",
        )
    if source.startswith(SOURCE_PREFIX):
        raise UsageError(
            f"no source's name begins with {SOURCE_PREFIX}",
            hint="`ingest sequencing` names what it publishes so; choose another with --source",
        )
    if source == CORRECTIONS_SOURCE:
        raise UsageError(
            f"no source may be named {CORRECTIONS_SOURCE}",
            hint="that is the name of what `withdraw` publishes; choose another with --source",
        )


def refuse_other_kind(source: str, kind: str, chain: Iterable[Seal]) -> None:
    """Refuse to go on with a source by an export of another kind.

    Args:
        source: its name.
        kind: of the export, ``omop`` or ``vcf``.
        chain: the sealed batches of the source.

    Raises:
        SealRefusedError: one of them is of another kind.
    """
    for seal in chain:
        if seal.manifest.kind != kind:
            raise SealRefusedError(
                f"the batches of this source hold {_KINDS[seal.manifest.kind]},"
                f" the export holds {_KINDS[kind]}",
                where=f"source {source}",
                hint="give the export another name with --source",
            )
