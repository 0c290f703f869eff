"""The shipped list of ancestors comes from the command; placement is SQL on CONCEPT_ANCESTOR."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl
import pytest

from precisionchain.ledger.batches import family_items
from precisionchain.opened import OpenSite
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.payloads import payload_table
from tests.validation.conftest import OMOP_FOLDERS, IngestedFolder, run_cli

Ingest = Callable[[str], IngestedFolder]
VOCABULARIES = ("omop_gibleed/csv", "omop_vocab_dbtsynthea/csv")
EXPORTS = ("omop_gibleed/csv", "omop_synthea27nj/csv")
LEAST = {"gibleed": (0.06, 0.03), "synthea27nj": (0.08, 0.06)}
"""Of all rows of an export: what the largest stream and those of no ancestor may hold."""


def test_the_shipped_list_is_what_the_command_chooses(shared_data: Path, tmp_path: Path) -> None:
    shipped = files("precisionchain.schemas").joinpath("ancestors.csv").read_bytes()
    data = [part for name in EXPORTS for part in ("--data", shared_data / name)]
    chosen = tmp_path / "ancestors.csv"
    run_cli("ancestors", *(shared_data / name for name in VOCABULARIES), *data, "-o", chosen)
    assert chosen.read_bytes() == shipped


@pytest.mark.parametrize("name", ["gibleed", "synthea27nj"])
def test_every_concept_is_placed_as_sql_places_it(
    name: str, ingested_folder: Ingest, shared_data: Path
) -> None:
    folder = ingested_folder(name)
    opened = OpenSite(folder.site)
    chosen = [
        (table.name, table.domain_prefix, one)
        for table in TABLES.values()
        for one in opened.parameters.ancestors.get(table.domain_prefix or "", ())
    ]
    placed = {
        (row["table"], row["concept_id"]): row["family"]
        for found in family_items(opened.ledger, "MAP_CONCEPT")
        for row in payload_table(found.item.payload)[1].to_pylist()
    }
    opened.close()
    pairs = next(
        path
        for path in (shared_data / OMOP_FOLDERS[name]).iterdir()
        if path.name.lower() == "concept_ancestor.csv"
    )
    with duckdb.connect() as database:
        database.register(
            "chosen", pl.DataFrame(chosen, schema=["table", "prefix", "a"], orient="row").to_arrow()
        )
        used = pl.DataFrame(list(placed), schema=["table", "concept"], orient="row")
        database.register("used", used.to_arrow())
        rows = database.execute(
            "with pairs as (select concept d, concept a, 0 n from used where concept <> 0 union all"
            " select descendant_concept_id, ancestor_concept_id, min_levels_of_separation"
            " from read_csv(?, header = true, normalize_names = true))"
            ' select u."table", u.concept, (select p.a from pairs p join chosen c on c.a = p.a'
            ' and c."table" = u."table" where p.d = u.concept order by p.n, p.a limit 1)'
            " from used u",
            [str(pairs)],
        ).fetchall()
    prefix = {table.name: table.domain_prefix for table in TABLES.values()}
    expected = {(table, c): f"{prefix[table]}_{ancestor or 0}" for table, c, ancestor in rows}
    assert len(expected) > 75
    assert placed == expected


@pytest.mark.parametrize("name", sorted(LEAST))
def test_the_shipped_list_spreads_the_rows(name: str, shared_data: Path) -> None:
    """Of the export's own rows by the vocabularies of both, which is what the list is for."""
    shipped = pl.read_csv(str(files("precisionchain.schemas").joinpath("ancestors.csv")))
    events = {t.name: t for t in TABLES.values() if t.domain_prefix}
    counted = []
    for path in (shared_data / OMOP_FOLDERS[name]).iterdir():
        table = events.get(path.stem.lower())
        if table is not None:
            counted.append(
                f"select '{table.domain_prefix}' p, coalesce(try_cast({table.concept_column} as"
                f" bigint), 0) c from read_csv('{path}', header = true, all_varchar = true)"
            )
    pairs = [str(shared_data / one / "concept_ancestor.csv") for one in VOCABULARIES]
    with duckdb.connect() as database:
        database.register("chosen", shipped.to_arrow())
        rows = database.execute(
            f"with units as (select p, c, count(*) n from ({' union all '.join(counted)})"
            " group by all), pairs as (select c d, c a, 0 l from units union all select"
            " descendant_concept_id, ancestor_concept_id, min_levels_of_separation from read_csv(?,"
            " header = true, normalize_names = true)), near as (select u.p, u.c,"
            " arg_min(a, (l, a)) a from units u join pairs on d = u.c join chosen on domain = u.p"
            " and concept_id = a group by all) select coalesce(a, 0), sum(n)::bigint"
            " from units left join near using (p, c) group by p, 1",
            [pairs],
        ).fetchall()
    total = sum(n for _, n in rows)
    largest, nowhere = LEAST[name]
    assert max(n for _, n in rows) / total < largest
    assert sum(n for ancestor, n in rows if ancestor == 0) / total < nowhere
