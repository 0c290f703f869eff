"""What formats cannot hold; names of alleles; where blocks end."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from precisionchain.errors import UsageError
from precisionchain.query import genotype_matrix
from precisionchain.query.export_genotypes import (
    ExportedGenotypes,
    export_genotypes,
    genotype_targets,
)
from precisionchain.query.genotype_matrix import GenotypeMatrix
from precisionchain.query.genotyped import NOT_ASSAYED
from precisionchain.query.variants import variant_calls
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.genetic_batch import genetic_batch
from precisionchain.schemas.calls import Calls, PackedCalls, Rows, unpack_calls
from precisionchain.schemas.variant import Variant
from tests.lib.genetic_runs import BUILD, Batch, Person, Record, replica

SYMBOLIC = (
    Record("9", 100, "A", ("G",), ("0/1", "1/1")),
    Record("9", 200, "C", ("<DEL;END=290>", "T"), ("0/1", "2|0")),
)


def two(*records: Record, first: int = 1) -> Batch:
    return Batch((Person(first), Person(first + 1)), records)


def export(snapshot: Snapshot, output: Path, *, skip_symbolic: bool = False) -> ExportedGenotypes:
    form, targets = genotype_targets(output, None)
    files = {target: target for target in targets}
    return export_genotypes(snapshot, form, files, build=BUILD, skip_symbolic=skip_symbolic).value


def test_bed_refuses_alleles_that_are_not_bases_by_their_number(tmp_path: Path) -> None:
    snapshot = replica(tmp_path, [two(*SYMBOLIC)])
    with pytest.raises(UsageError, match="1 alleles of the region are not bases"):
        export(snapshot, tmp_path / "x.bed")
    exported = export(snapshot, tmp_path / "x.bed", skip_symbolic=True)
    assert (exported.alleles, exported.symbolic_left_out) == (2, 1)
    assert [line.split("\t")[4] for line in (tmp_path / "x.bim").read_text().splitlines()] == (
        ["G", "T"]
    )


def test_vcf_and_pgen_hold_them(tmp_path: Path) -> None:
    snapshot = replica(tmp_path, [two(*SYMBOLIC)])
    assert export(snapshot, tmp_path / "x.vcf").alleles == 3
    (line,) = (text for text in (tmp_path / "x.vcf").read_text().splitlines() if "\t<DEL>" in text)
    assert line.split("\t")[7] == "AC=1;AN=4;SVTYPE=DEL;END=290"
    assert export(snapshot, tmp_path / "x.pgen").alleles == 3
    assert "<DEL;END=290>" in (tmp_path / "x.pvar").read_text()


def test_plink_has_no_person_0(tmp_path: Path) -> None:
    snapshot = replica(tmp_path, [two(SYMBOLIC[0], first=0)])
    with pytest.raises(UsageError, match="id 0"):
        export(snapshot, tmp_path / "x.pgen")
    assert export(snapshot, tmp_path / "x.vcf").persons == 2


def test_of_several_batches_the_first_id_names_the_allele(tmp_path: Path) -> None:
    batches = [two(SYMBOLIC[0], first=n) for n in (1, 3, 5)]
    snapshot = replica(tmp_path, batches)
    for number, ident in ((1, "rs7"), (2, "rs8")):
        folder = snapshot.batch_folder(snapshot.catalogue.batches[number].batch)
        for path in (folder / "sites").iterdir():
            pl.read_parquet(path).with_columns(pl.lit(ident).alias("id")).write_parquet(path)
    export(snapshot, tmp_path / "x.vcf")
    assert (tmp_path / "x.vcf").read_text().splitlines()[-1].split("\t")[2] == "rs7"
    export(snapshot, tmp_path / "x.bed")
    assert (tmp_path / "x.bim").read_text().split("\t")[1] == "rs7"


def test_contradicting_sexes_are_unknown(tmp_path: Path) -> None:
    sexes = [(1, 2, 0), (1, 1, 0), (0, 2, 0)]
    batches = []
    for at, row in enumerate(sexes):
        persons = tuple(Person(n, sex) for n, sex in enumerate(row))
        batches.append(Batch(persons, (Record("9", 100 + at, "A", ("G",), ("0/0",) * 3),)))
    assert GenotypeMatrix(replica(tmp_path, batches)).persons["sex"].to_list() == [1, 0, 0]


def test_a_block_is_decoded_once_for_all_of_its_alleles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [Record("9", 100 + n, "A", ("G", "T"), ("0/1", "1|2")) for n in range(50)]
    snapshot = replica(tmp_path, [two(*records)], alleles=25)
    calls: list[int] = []

    def counted(packed: PackedCalls, rows: Rows | None = None) -> Calls:
        calls.append(1)
        return unpack_calls(packed, rows)

    monkeypatch.setattr(genotype_matrix, "unpack_calls", counted)
    blocks = list(GenotypeMatrix(snapshot).of_region(None))
    assert sum(block.alleles.height for block in blocks) == 100
    assert len(calls) == 4


def test_an_empty_network_has_no_block(tmp_path: Path) -> None:
    assert list(GenotypeMatrix(replica(tmp_path, [])).of_region(None)) == []
    with pytest.raises(UsageError, match="none of the persons"):
        export(replica(tmp_path / "again", []), tmp_path / "x.vcf")


def test_what_quality_control_removed_is_not_assayed_though_its_position_is_listed(
    tmp_path: Path,
) -> None:
    """One batch lists 9:100 A>G; of the other, which lists 9:100 A>T, A>G was removed."""
    batches = [
        two(Record("9", 100, "A", ("G",), ("0/1", "1/1"))),
        two(Record("9", 100, "A", ("T",), ("0/1", "0/0")), first=3),
    ]
    snapshot = replica(tmp_path, batches)
    path = snapshot.batch_folder(snapshot.catalogue.batches[1].batch) / "excluded.parquet"
    removed = {"mode": "remove", "kind": "variant", "chrom": "9", "pos": 100, "ref": "A"}
    schema = pl.read_parquet_schema(path)
    genetic_batch.cache_clear()
    (before,) = GenotypeMatrix(snapshot).of_alleles(ALLELE)
    assert before.state.tolist() == [[1, 2, 0, 0]]
    pl.DataFrame([{**removed, "alt": "G"}], schema=schema).write_parquet(path)
    genetic_batch.cache_clear()
    (after,) = GenotypeMatrix(snapshot).of_alleles(ALLELE)
    assert after.state.tolist() == [[1, 2, NOT_ASSAYED, NOT_ASSAYED]]
    answer = variant_calls(snapshot, Variant("9", 100, "A", "G"), frozenset({"not_assayed"}))
    assert answer["person_id"].to_list() == [3, 4]


ALLELE = pl.DataFrame(
    [("9", 100, "A", "G")],
    schema={"chrom": pl.String, "pos": pl.Int32, "ref": pl.String, "alt": pl.String},
    orient="row",
)
