"""A site's own rules: files of SQL that look at the accepted rows of a run and at nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from precisionchain.bounded_database import MEMORY
from precisionchain.errors import InputError, UnreadableFileError, UsageError
from precisionchain.ingest.quality_checks import PLAUSIBLE, Checked, make_views
from precisionchain.ingest.quality_policy import RULE_SECONDS
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.rule_text import Rule, rule_of_text
from precisionchain.ingest.rules import RULES
from precisionchain.ingest.sql_text import identifier, literal
from precisionchain.ingest.time_limit import TooLongError, within_time
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.omop import TABLES

ROWS: Final = {"table_name", "record"}
SHARE: Final = {"n_checked", "n_violating"}
"""Columns that the SQL of a rule returns: of one that judges rows, and of a measure."""

_COLUMNS: Final[Mapping[str, pa.DataType]] = {"table_name": pa.string(), "record": pa.int64()}
_FOUND: Final = pa.schema(_COLUMNS)
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_TABLES_VIEW: Final = (
    "CREATE TEMP TABLE tables"
    " (table_name VARCHAR, n_records BIGINT, n_accepted BIGINT, n_rejected BIGINT,"
    " n_lines BIGINT, n_swallowed BIGINT)"
)


@dataclass(frozen=True, slots=True)
class CustomRules:
    """What a folder of rules holds.

    Attributes:
        rules: by name.
        plausible: the site's tables of plausible values, by name of the file.
        digest: of all these files, hex; empty where there is none.
        seconds: that each rule may take; no part of the digest.
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)
    plausible: Mapping[str, Path] = field(default_factory=dict)
    digest: str = ""
    seconds: float = RULE_SECONDS

    def of(self, *severities: str) -> list[Rule]:
        """Return the rules of some severities, by name."""
        return [rule for rule in self.rules.values() if rule.severity in severities]


NONE: Final = CustomRules()


def read_rules(folder: Path | None, seconds: float = RULE_SECONDS) -> CustomRules:
    """Return the rules of a folder: its ``*.sql`` files, and its tables of plausible values.

    Each is tried on empty tables: what it names and what it returns is known before a long job.

    Args:
        folder: of rules; None for no rules.
        seconds: that each may take.

    Raises:
        UnreadableFileError: no such folder, or a file that cannot be read.
        UsageError: a header or name that a rule cannot have.
        InputError: SQL that cannot be answered, naming file and line.
    """
    if folder is None:
        return NONE
    if not folder.is_dir():
        raise UnreadableFileError("no folder of rules", where=str(folder))
    files = _rule_files(folder)
    plausible = {name: folder / name for name in PLAUSIBLE if (folder / name).exists()}
    rules: dict[str, Rule] = {}
    try:
        texts = {path: path.read_text(encoding="utf-8-sig") for path in files}
        parts = {path.name: text.encode() for path, text in texts.items()}
        parts |= {name: path.read_bytes() for name, path in plausible.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            "a rule's file cannot be read as text in UTF-8", where=str(folder)
        ) from error
    for path, text in texts.items():
        rule = rule_of_text(text, path.name)
        if rule.name in RULES or rule.name in rules:
            raise UsageError(
                f"a second rule of the name {rule.name}", where=path.name, hint="rename it"
            )
        rules[rule.name] = rule
    digests = {name: sha256(part).hexdigest() for name, part in parts.items()}
    digest = sha256(canonical_json(digests)).hexdigest() if digests else ""
    found = CustomRules(rules, plausible, digest, seconds)
    if digests:
        with _locked(Path("nowhere"), found, None) as database:
            for rule in rules.values():
                _answer(database, rule, seconds, limit=True)
    return found


def _rule_files(folder: Path) -> list[Path]:
    """Return the files of rules; none is left out for a name that is nearly one of them."""
    names = {path: path.name.lower() for path in folder.iterdir() if path.name[0] != "."}
    odd = sorted(path.name for path, name in names.items() if ".sql" in name[:-4])
    if odd:
        raise UsageError(
            "is not taken for a rule, whose name ends in .sql",
            where=odd[0],
            hint="rename it, or take it out of the folder",
        )
    return sorted(path for path, name in names.items() if name.endswith(".sql"))


@dataclass(frozen=True, slots=True)
class CustomFound:
    """What rules of a site found: rows that break one (rule -> table_name, record), and shares."""

    rows: Mapping[str, pa.Table]
    checked: tuple[Checked, ...] = ()


def run_custom(
    accepted: Path,
    custom: CustomRules,
    rules: list[Rule],
    counts: pa.Table,
    step: Step = silent,
) -> CustomFound:
    """Run rules of a site over accepted rows.

    Args:
        accepted: the folder of accepted rows, which they may read.
        custom: all rules of the site.
        rules: those to run.
        counts: table_name, n_records, n_accepted, n_rejected, n_lines, n_swallowed: the view
            ``tables``.
        step: called with the name of each before it is run.

    Raises:
        InputError: one cannot be answered, or takes too long, naming file and line.
    """
    if not rules:
        return CustomFound({})
    rows: dict[str, pa.Table] = {}
    checked: list[Checked] = []
    accepted_rows = {row["table_name"]: row["n_accepted"] for row in counts.to_pylist()}
    with _locked(accepted, custom, counts) as database:
        for rule in rules:
            step(f"check data quality: rule {rule.name} ({rule.file})")
            answer = _answer(database, rule, custom.seconds)
            if rule.severity == "measure":
                checked += _shares(rule, answer)
            else:
                rows[rule.name] = _rows(rule, answer)
                _refuse_strange_records(database, rule, rows[rule.name])
                checked += _broken(rule, rows[rule.name], accepted_rows)
    return CustomFound(rows, tuple(checked))


@contextmanager
def _locked(
    accepted: Path, custom: CustomRules, counts: pa.Table | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database with a run's tables that can reach nothing else, its settings locked."""
    with duckdb.connect(config={"memory_limit": MEMORY}) as database:
        make_views(database, accepted, custom.plausible)
        database.execute(_TABLES_VIEW)
        if counts is not None:
            database.register("counted", counts)
            database.execute("INSERT INTO tables BY NAME FROM counted")
            database.unregister("counted")
        scratch = accepted.parent / ".scratch"
        database.execute(f"SET temp_directory = {literal(scratch.absolute())}")
        database.execute(f"SET allowed_directories = [{literal(accepted.absolute())}]")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        yield database


def _answer(
    database: duckdb.DuckDBPyConnection, rule: Rule, seconds: float, *, limit: bool = False
) -> pa.Table:
    """Return what a rule's SQL finds; of rows that break it, each once.

    Args:
        database: locked.
        rule: the rule.
        seconds: that it may take.
        limit: whether to look at columns only.
    """

    def asked() -> pa.Table:
        found = _relation(database, rule)
        answer: pa.Table = (found.limit(0) if limit else found).to_arrow_table()
        return answer

    try:
        return within_time(database, seconds, asked)
    except TooLongError:
        raise InputError(
            f"rule {rule.name} was stopped: it takes longer than {seconds:g} s",
            where=f"{rule.file}, line {rule.line}",
            hint="look for a join without a condition, or a recursion without an end; if it is only"
            " slow, say a larger rule_seconds in quality.toml of the site folder",
        ) from None
    except duckdb.Error as error:
        raise InputError(
            _said(error),
            where=f"{rule.file}, line {_line(rule, error)}",
            hint="the tables are those of the CDM, by their names, with _record; and tables,"
            " plausible_range, plausible_sex",
        ) from error


def _relation(database: duckdb.DuckDBPyConnection, rule: Rule) -> duckdb.DuckDBPyRelation:
    where = f"{rule.file}, line {rule.line}"
    statements = duckdb.extract_statements(rule.definition)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError("not one SELECT", where=where)
    database.execute(f"EXPLAIN {rule.definition}")  # its errors name the line, relations' do not
    found = database.sql(rule.definition)
    wanted = SHARE if rule.severity == "measure" else ROWS
    if not wanted <= {*found.columns}:
        raise InputError(
            f"a rule of severity {rule.severity} returns {' and '.join(sorted(wanted))}",
            where=where,
            hint="error and warning: table_name, record (the _record of a row);"
            " measure: n_checked, n_violating",
        )
    # DuckDB keeps within its memory, and what it hands over does not: a join may return a row often
    return found if wanted is SHARE else found.project("table_name, record").distinct()


def _said(error: duckdb.Error) -> str:
    """Return what DuckDB says of a statement; of rows it read, which it quotes, only the kind."""
    about = duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException
    if isinstance(error, about | duckdb.PermissionException):
        return str(error).partition("\n")[0]
    return f"the SQL of the rule cannot be answered ({type(error).__name__})"


def _line(rule: Rule, error: duckdb.Error) -> int:
    found = _LINE.search(str(error))
    return rule.line + (int(found[1]) - 1 if found else 0)


def _rows(rule: Rule, answer: pa.Table) -> pa.Table:
    try:
        rows = answer.select(["table_name", "record"]).cast(_FOUND)
    except pa.ArrowException as error:
        raise InputError(
            "table_name is no text, or record no integer", where=f"{rule.file}, line {rule.line}"
        ) from error
    for name in rows["table_name"].unique().to_pylist():
        _known_table(rule, name)
    return rows.group_by(["table_name", "record"]).aggregate([])


def _broken(rule: Rule, rows: pa.Table, accepted: Mapping[str, int]) -> Iterator[Checked]:
    counted = rows.group_by("table_name").aggregate([("record", "count")]).to_pylist()
    for one in counted or [{"table_name": _first_table(rule), "record_count": 0}]:
        table = one["table_name"]
        yield Checked(rule.name, table, "", accepted.get(table) or 0, one["record_count"])


def _refuse_strange_records(
    database: duckdb.DuckDBPyConnection, rule: Rule, rows: pa.Table
) -> None:
    """Refuse a rule that returns another number than the ``_record`` of a row that it looked at."""
    database.register("returned", rows)
    for table in map(str, rows["table_name"].unique().to_pylist()):
        there = f"SELECT _record FROM {identifier(table)}"
        strange = database.execute(
            f"SELECT count(*) FROM returned WHERE table_name = {literal(table)}"
            f" AND (record IS NULL OR record NOT IN ({there}))"
        ).fetchall()[0][0]
        if strange:
            raise InputError(
                f"{strange} rows that it returns have a record that no accepted row of {table} has",
                where=f"{rule.file}, line {rule.line}",
                hint="record is the _record of the row, in the table of table_name",
            )
    database.unregister("returned")


def _shares(rule: Rule, answer: pa.Table) -> Iterator[Checked]:
    where, seen = f"{rule.file}, line {rule.line}", set()
    if not answer.num_rows:
        yield Checked(rule.name, _first_table(rule), "", 0, 0)
    for row in answer.to_pylist():
        table, column = row.get("table_name") or _first_table(rule), row.get("column_name") or ""
        _known_table(rule, table)
        if column and column not in TABLES[table].columns:
            raise InputError("a column_name that is no column of its table", where=where)
        if (table, column) in seen:
            raise InputError(
                f"two rows of {table} {column}".rstrip(),
                where=where,
                hint="a measure returns a row for each table_name and column_name",
            )
        seen.add((table, column))
        checked, violating = (_count(row[name], where) for name in ("n_checked", "n_violating"))
        if checked and row["n_violating"] is None:
            raise InputError(
                "n_violating is NULL",
                where=where,
                hint="a sum over no row is: count(*) FILTER (WHERE ...) is 0 there",
            )
        if violating > checked:
            raise InputError(
                "n_violating is more than n_checked", where=where, hint="it is a share of them"
            )
        yield Checked(rule.name, table, column, checked, violating)


def _count(found: object, where: str) -> int:
    """Return a count as a rule returns it, NULL as 0."""
    try:
        number = int(found or 0)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0 or (found is not None and number != found):
        raise InputError("n_checked and n_violating are no numbers of rows", where=where)
    return int(number)


def _first_table(rule: Rule) -> str:
    """Return the table a measure is of where its answer does not say: the first that it names."""
    for word in re.findall(r"[a-z_]+", rule.definition.lower()):
        if word in TABLES:
            return str(word)
    return "person"


def _known_table(rule: Rule, name: str | None) -> None:
    if name not in TABLES:  # never what was found there: it may be a cell
        raise InputError(
            "a table_name that is no table of the CDM", where=f"{rule.file}, line {rule.line}"
        )
