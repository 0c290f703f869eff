"""Names that no export may have."""

from __future__ import annotations

from precisionchain.errors import UsageError


def refuse_reserved(source: str | None) -> None:
    """Refuse an export that is named as the batches of corrections are.

    Raises:
        UsageError: it is.
    """
    from precisionchain.schemas.corrections import CORRECTIONS_SOURCE  # loads Arrow

    if source == CORRECTIONS_SOURCE:
        raise UsageError(
            f"no source may be named {CORRECTIONS_SOURCE}",
            hint="that is the name of what `withdraw` publishes; choose another with --source",
        )
