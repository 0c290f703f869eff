"""Lists of sites in the replica: found by their digest, whoever published them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.unpack_sites import LIST_FILE, LIST_SAID
from precisionchain.schemas.site_lists import LIST_KIND


def list_by_digest(snapshot: Snapshot, digest: str) -> tuple[pa.Table, dict[str, Any]] | None:
    """Return a list's sites and what it says of itself; None where nobody has published it.

    A withdrawn batch serves as well: what a list is follows from its digest alone.
    """
    for batch in snapshot.catalogue.sealed:
        if batch.kind == LIST_KIND:
            folder: Path = snapshot.batch_folder(batch.batch)
            said = json.loads((folder / LIST_SAID).read_text(encoding="utf-8"))
            if said["digest"] == digest:
                return pq.read_table(folder / LIST_FILE), said
    return None
