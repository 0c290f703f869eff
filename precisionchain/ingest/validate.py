"""``validate``: every staged row is accepted, or rejected with its reasons; oddities are counted.

The rules are in ``rules.py``, the spellings of cells in ``schemas/lexical.py``. Tables are judged
in the order of ``TABLES``: persons before their events, parents before children. The validated form
of the run replaces the staged one in one step. It no longer has the cells of vocabulary tables,
which can be very large and are nobody's record; validated again, their rows are
those that were accepted before rules of the site were asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.bounded_database import bounded_database
from precisionchain.errors import PrecisionChainError, SiteError
from precisionchain.ingest.changes_limits import Mode
from precisionchain.ingest.custom_rejects import reject_found, restart_persons
from precisionchain.ingest.custom_rules import NONE, CustomRules, run_custom
from precisionchain.ingest.judge_rows import JUDGED, Judging, judge_rows, known_persons_table
from precisionchain.ingest.quality_checks import Checked, check_rules, make_views
from precisionchain.ingest.quality_results import quality_rows, rejections_checked, warning_rows
from precisionchain.ingest.quality_scopes import Delivered
from precisionchain.ingest.raw_file import as_written
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.rules import RULES, UNPARSED_RULES
from precisionchain.ingest.run_tables import (
    LINES,
    NORMALISED,
    QUALITY,
    REJECTED,
    TABLES_READ,
    UNMAPPED,
    WARNINGS,
    read_run_table,
    write_run_table,
)
from precisionchain.ingest.sql_text import literal, literals, parquet
from precisionchain.ingest.staging import PartialRun, Run, Staging, link_tree
from precisionchain.ingest.unmapped import unmapped_codes
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.omop import TABLES, Table

_BASE = "staged_source_id"
"""What ``source_id`` was before rules of the site's own were added to it."""


def validate_omop(
    staging: Staging,
    run: Run,
    *,
    known_persons: pa.Table | None = None,
    known_parents: Mapping[str, pa.Table] | None = None,
    mode: Mode = "full",
    custom: CustomRules = NONE,
    step: Step = silent,
    advance: Advance | None = None,
) -> Run:
    """Judge the rows of a staged OMOP run; needs the site's lock.

    Args:
        staging: the site's staging area.
        run: staged, or validated before (it is judged anew).
        known_persons: persons accepted in earlier batches of the site, in a column ``person_id``.
        known_parents: by table, keys in the state of the source that rows may follow, in a column
            of the key's name.
        mode: whether the run is the whole of its source; a whole run's rows follow its own parents
            where it has any.
        custom: rules of the site's own; they are part of what the source is known by.
        step: called with a line per table, and per rule of the site's own.
        advance: called with (rules asked, in all) while data quality is checked.

    Returns:
        the run, validated; `summary` tells how many rows were accepted.

    Raises:
        SiteError: not an OMOP run, or no room on the disk.
        InputError: a rule of the site cannot be answered.
    """
    if run.kind != "omop":
        raise SiteError("only OMOP runs are validated", where=str(run.path))
    with staging.revise(run) as partial:
        (partial.path / "accepted").mkdir(mode=0o700)
        (partial.path / "raw").mkdir(mode=0o700)
        partial.keep(run, f"{LINES}.parquet")
        with bounded_database(partial.path / ".scratch") as database:
            parents = {
                name: keys
                for name, keys in (known_parents or {}).items()
                if mode == "delta" or not (run.path / "raw" / f"{name}.parquet").exists()
            }
            validation = _Validation(database, run, partial, known_persons, parents)
            validation.judge(step)
            validation.check(custom, mode, step, advance)
        described = _under_rules(run.description, custom.digest)
        partial.describe({**described, "validated": True, "mode": mode})
    return staging.read(run.name)


def summary(run: Run) -> pa.Table:
    """Return table_name, file, n_records, n_accepted, n_rejected of a run."""
    return read_run_table(run.path, TABLES_READ)


def _write_found(
    partial: PartialRun, rejected: list[Checked], found: list[Checked], custom: CustomRules
) -> None:
    write_run_table(partial.path, WARNINGS, warning_rows(found, custom.rules))
    write_run_table(partial.path, QUALITY, quality_rows([*rejected, *found], custom.rules))


def _under_rules(description: dict[str, Any], digest: str) -> dict[str, Any]:
    """Return a run's description as what it is under a site's own rules: another source."""
    base = description.get(_BASE, description["source_id"])
    settings = {k: v for k, v in description["settings"].items() if k != "site_rules"}
    plain = {k: v for k, v in description.items() if k != _BASE}
    if not digest:
        return {**plain, "source_id": base, "settings": settings}
    identity = canonical_json({"site_rules": digest, "source_id": base})
    return {
        **plain,
        _BASE: base,
        "source_id": hashlib.sha256(identity).hexdigest(),
        "settings": {**settings, "site_rules": digest},
    }


class _Validation:
    """One validation of a run, in a database of its own."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        run: Run,
        partial: PartialRun,
        known_persons: pa.Table | None,
        known_parents: Mapping[str, pa.Table],
    ) -> None:
        self._database = database
        self._run = run
        self._partial = partial
        self._inputs = {entry["table"]: entry for entry in run.description["inputs"]}
        self._raw = {path.stem for path in run.path.glob("raw/*.parquet")}
        self._accepted: dict[str, int] = {}
        self._parents = known_parents
        for name, keys in known_parents.items():
            database.register(f"known_{name}", keys)
        database.execute(
            "CREATE TABLE rejects"
            " (table_name VARCHAR, rule VARCHAR, record BIGINT, column_name VARCHAR)"
        )
        before = parquet(run.path / f"{REJECTED}.parquet")
        database.execute(
            f"INSERT INTO rejects SELECT table_name, rule, record, column_name FROM {before}"
            f" WHERE rule IN ({literals(UNPARSED_RULES)})"
            f" OR (table_name NOT IN ({literals(self._raw) or 'NULL'})"
            f" AND rule IN ({literals(RULES)}))"
        )
        database.register("known", known_persons_table(known_persons))
        database.execute("CREATE TABLE known_person AS SELECT person_id FROM known")

    def judge(self, step: Step) -> None:
        """Write everything a validated run has beside what it takes over."""
        self._judging = judging = Judging(
            self._database,
            self._run.path,
            self._partial.path,
            records={name: entry["records"] for name, entry in self._inputs.items()},
            unparsed={name: entry["unparsed"] for name, entry in self._inputs.items()},
            parents={name: f"known_{name}" for name in self._parents},
        )
        for table in (TABLES[name] for name in TABLES if name in self._inputs):
            step(f"validate {table.name}")
            self._accepted[table.name] = self._accept(judging, table)
        write_run_table(
            self._partial.path, NORMALISED, [*self._normalised_before(), *judging.normalised]
        )

    def check(self, custom: CustomRules, mode: Mode, step: Step, advance: Advance | None) -> None:
        """Reject by rules of the site's own, then ask all other rules of what is accepted."""
        accepted = self._partial.path / "accepted"
        by_site = run_custom(accepted, custom, custom.of("error"), self._counts(), step)
        if any(rows.num_rows for rows in by_site.rows.values()):
            restart_persons(self._database)
            order = [name for name in TABLES if name in self._inputs]
            for name, n in reject_found(self._judging, by_site.rows, order).items():
                self._accepted[name] -= n
        counts = self._counts()
        others = run_custom(accepted, custom, custom.of("warning", "measure"), counts, step)
        columns = {
            name: [each for each in pq.read_schema(path).names if each in TABLES[name].columns]
            for name in self._inputs
            if (path := accepted / f"{name}.parquet").exists()
        }
        delivered = Delivered(
            columns, self._accepted, self._run.description["cdm_version"], mode == "full"
        )
        make_views(self._database, accepted, custom.plausible)
        self._database.register("tables", counts)
        step("check data quality")
        found = [*check_rules(self._database, delivered, advance), *others.checked]
        rejected = rejections_checked(self._database, self._records(), columns)
        _write_found(self._partial, [*rejected, *(one for one in by_site.checked)], found, custom)
        write_run_table(self._partial.path, UNMAPPED, unmapped_codes(self._database, delivered))
        self._write_rejected()
        self._write_counts()

    def _records(self) -> dict[str, int]:
        return {name: entry["records"] for name, entry in self._inputs.items()}

    def _counts(self) -> pa.Table:
        """Return table_name, n_records, n_accepted, n_rejected as they are now, and lines.

        ``n_lines`` are those of a text file's records, NULL of others; ``n_swallowed`` those within
        records that cannot be parsed and take many.
        """
        names = list(self._inputs)
        records, accepted = self._records(), self._accepted
        lines, swallowed = (self._run.description.get(n, {}) for n in ("lines", "swallowed"))
        spanned = [swallowed.get(name, {}).get("lines", 0) for name in names]
        return pa.table(
            {
                "table_name": pa.array(names, pa.string()),
                "n_records": pa.array([records[n] for n in names], pa.int64()),
                "n_accepted": pa.array([accepted[n] for n in names], pa.int64()),
                "n_rejected": pa.array([records[n] - accepted[n] for n in names], pa.int64()),
                "n_lines": pa.array([lines.get(n) for n in names], pa.int64()),
                "n_swallowed": pa.array(spanned, pa.int64()),
            }
        )

    def _accept(self, judging: Judging, table: Table) -> int:
        path = judging.accepted(table.name)
        if table.name not in self._raw:
            before = self._run.path / JUDGED / path.name
            link_tree(before if before.exists() else self._run.path / "accepted" / path.name, path)
            return int(pq.read_metadata(path).num_rows)
        if table.scope != "vocabulary":
            self._partial.keep(self._run, f"raw/{table.name}.parquet")
            self._keep_texts(table.name)
        n = judge_rows(judging, table)
        if table.name == "person":
            self._database.execute(
                f"INSERT INTO known_person SELECT person_id FROM {parquet(path)}"
            )
        return n

    def _keep_texts(self, table: str) -> None:
        if as_written(self._run.path / "raw" / f"{table}.parquet").exists():
            (self._partial.path / "as_written").mkdir(mode=0o700, exist_ok=True)
            self._partial.keep(self._run, f"as_written/{table}.parquet")

    def _normalised_before(self) -> list[dict[str, object]]:
        """Return what an earlier validation counted in tables whose cells are not kept."""
        rows = read_run_table(self._run.path, NORMALISED).to_pylist()
        return [row for row in rows if row["table_name"] not in self._raw]

    def _write_rejected(self) -> None:
        files = {"table_name": list(self._inputs), "place": list(range(len(self._inputs)))}
        files["file"] = [entry["file"] for entry in self._inputs.values()]
        self._database.register("files", pa.table(files))
        lines = parquet(self._run.path / f"{LINES}.parquet")
        target = self._partial.path / f"{REJECTED}.parquet"
        self._database.execute(
            "COPY (SELECT rejects.table_name, rule, 'error' AS severity, file, rejects.record,"
            " lines.line + (rejects.record - lines.record) AS line, column_name"
            f" FROM rejects JOIN files USING (table_name) ASOF JOIN {lines} AS lines"
            " ON rejects.table_name = lines.table_name AND rejects.record >= lines.record"
            f" ORDER BY place, rejects.record, rule, column_name) TO {literal(target)}"
            " (FORMAT parquet)"
        )

    def _write_counts(self) -> None:
        rejected = dict(
            self._database.execute(
                "SELECT table_name, count(DISTINCT record) FROM rejects GROUP BY ALL"
            ).fetchall()
        )
        rows: list[dict[str, object]] = []
        for name, entry in self._inputs.items():
            accepted, refused = self._accepted[name], rejected.get(name, 0)
            if entry["records"] != accepted + refused:
                raise PrecisionChainError(
                    f"{entry['records']} records became {accepted} accepted and {refused} rejected",
                    where=entry["file"],
                    hint="a fault of ours: please report it",
                )
            rows.append(
                {
                    "table_name": name,
                    "file": entry["file"],
                    "n_records": entry["records"],
                    "n_accepted": accepted,
                    "n_rejected": refused,
                }
            )
        write_run_table(self._partial.path, TABLES_READ, rows)
