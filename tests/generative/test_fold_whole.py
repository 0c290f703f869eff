"""Counts folded in one frame are those folded bin by bin, and those of the records by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings

from precisionchain.replica import fold_whole as folding
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import in_genome_order
from tests.generative.test_counts_fold import networks
from tests.lib.genetic_runs import Batch, counts, listed_keys, replica

COUNTED = ("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing", "batches")


def in_one_frame(snapshot: Snapshot) -> pl.DataFrame:
    batches = [(one.batch, snapshot.folder_of(one)) for one in snapshot.catalogue.batches]
    return in_genome_order(folding.fold_whole(batches))


@pytest.mark.parametrize("rows_at_once", [0, folding.ROWS_AT_ONCE])
@settings(max_examples=settings().max_examples // 5)
@given(network=networks())
def test_one_frame_or_one_a_chromosome_is_what_bins_give(
    rows_at_once: int, network: list[Batch]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(folding, "ROWS_AT_ONCE", rows_at_once),
    ):
        snapshot = replica(Path(folder), network)
        whole = in_one_frame(snapshot)
        bins = [pl.read_parquet(path) for path in snapshot.paths("folded/").values()]
        assert whole.equals(in_genome_order(pl.concat([whole.clear(), *bins])))
        by_hand = {key: counts(network, key) for key in listed_keys(network)}
        rows = whole.select("chrom", "pos", "ref", "alt", *COUNTED).iter_rows()
        assert {row[:4]: dict(zip(COUNTED, row[4:], strict=True)) for row in rows} == by_hand
