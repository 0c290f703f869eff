"""The commands a page tells its reader to type, quoted for SQL and for the shell."""

from __future__ import annotations

import re

from precisionchain.ingest.page_shapes import Origin
from precisionchain.ingest.rules import UNPARSED_RULES
from precisionchain.ingest.sql_text import literal


def rejected_commands(
    origin: Origin, table: str, rule: str, column: str | None
) -> tuple[str, str | None]:
    """Return the commands that list an OMOP rule's records, and that show them with their cells.

    The second is None where a record has no cells, and where ``sql`` no longer has the run.
    """
    where = [
        f"{name} = {literal(value)}" for name, value in (("table_name", table), ("rule", rule))
    ]
    where.append("column_name is null" if column is None else f"column_name = {literal(column)}")
    listed = sql_command(
        f"select record, line from {_from(origin, 'rejected')}"
        f" where {' and '.join((*_of_source(origin), *where))} order by record"
    )
    if rule in UNPARSED_RULES or origin.replaced_by is not None:
        return listed, None
    conditions = " and ".join(f"x.{condition}" for condition in (*_of_source(origin), *where))
    rows = sql_command(
        f"select x.line, r.* from raw_{table} r join rejected x"
        f" on x.record = r._record and x._source = r._source where {conditions} order by r._record"
    )
    return listed, rows


def refused_command(origin: Origin, rule: str) -> str:
    """Return the command that lists the records a rule of genotypes refused."""
    where = " and ".join((*_of_source(origin), f"rule = {literal(rule)}"))
    return sql_command(
        f"select file, line, chrom, pos from {_from(origin, 'refused')}"
        f" where {where} order by file, line"
    )


def odd_persons_command(origin: Origin, far: float) -> str:
    """Return the command that lists persons whose X or heterozygosity is not as expected."""
    odd = f"(abs(f) > {far:g} or (sex > 0 and x_sex > 0 and x_sex <> sex))"
    where = " and ".join((*_of_source(origin), odd))
    return sql_command(
        f"select sample_id, sex, x_sex, x_f, f from {_from(origin, 'person_figures')}"
        f" where {where} order by sample_id"
    )


def sql_command(statement: str) -> str:
    """Return the command that answers a statement, whole, as typed in the site folder."""
    # Within double quotes a shell still reads these four.
    quoted = re.sub(r'(["\\$`])', r"\\\1", statement)
    return f'precisionchain sql --json "{quoted}"'


def _from(origin: Origin, view: str) -> str:
    """Return the view, or the file where the views have gone on to a newer run."""
    if origin.replaced_by is None:
        return view
    return f"read_parquet({literal(f'{origin.runs}/{origin.run}/{view}.parquet')})"


def _of_source(origin: Origin) -> list[str]:
    return [] if origin.replaced_by else [f"_source = {literal(origin.source)}"]
