"""Records of any CSV bytes: as many, on the same lines and with the same cells as Python's csv."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.ingest import csv_records
from precisionchain.ingest.column_map import NO_MAP
from precisionchain.ingest.csv_kernel import ENCODING, QUOTING, RAGGED
from precisionchain.ingest.csv_table import CsvTable
from precisionchain.ingest.omop_reading import Loaded
from precisionchain.ingest.raw_rows import RawRows

COLUMNS = ("person_id", "gender_concept_id", "year_of_birth")
_PIECES = (
    *(b"a", b"1", b",", b",", b"\n", b"\n", b'"', b'""', b" ", b"\r\n", b"\r", b"\t", b"\0"),
    *(mark.encode() for mark in "é中😀"),
    *(b"\xff", b"\xe4\xb8", b"\xed\xa0\x80", b"\xc0\xaf"),
    *(b"1,2,3\n", b"1,2,3\n", b'"x"', b'"y\nz"', b',"",', b'"a""b",,\n'),
)
bodies = st.lists(st.sampled_from(_PIECES), max_size=30).map(b"".join)


def _with_ending(body: bytes, ending: str) -> bytes:
    """The same body with one kind of line ending, or as it is."""
    if ending == "mixed":
        return body
    lone = body.replace(b"\r\n", b"\n").replace(b"\r", b"")
    return lone if ending == "lf" else lone.replace(b"\n", b"\r\n")


def _oracle(data: bytes) -> tuple[list[list[str]], list[int]]:
    """Rows and the line each begins on, header and empty lines left out."""
    reader = csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""))
    next(reader)
    rows, lines, line = [], [], reader.line_num + 1
    for row in reader:
        if row:
            rows.append(row)
            lines.append(line)
        line = reader.line_num + 1
    return rows, lines


def _line_of(found: Loaded, record: int) -> int:
    assert found.lines is not None
    at, line = max((row for row in found.lines.tolist() if row[0] <= record), default=(0, 0))
    return int(line + record - at)


def _is_text(row: list[str]) -> bool:
    return not any("\udc80" <= mark <= "\udcff" or mark == "\0" for cell in row for mark in cell)


def _staged(folder: Path, data: bytes) -> Loaded:
    path = folder / "person.csv"
    path.write_bytes(data)
    (folder / "raw").mkdir(exist_ok=True)
    table = CsvTable("person", path, NO_MAP)
    target = folder / "raw" / "person.parquet"
    with duckdb.connect() as database:
        table.look(database)
        table.scan(target)
        return table.load(database, target)


def _read(folder: Path, data: bytes) -> tuple[Loaded, list[tuple[str | None, ...]]]:
    found = _staged(folder, data)
    with duckdb.connect() as database:
        rows = RawRows(folder, "person", unparsed=0).text()  # of records with faults, too
        cells = database.execute(f"SELECT {', '.join(COLUMNS)} FROM {rows}").fetchall()
    return found, cells


@given(bodies, st.sampled_from(["lf", "crlf", "mixed"]), st.sampled_from([b"", b"\xef\xbb\xbf"]))
@settings(max_examples=60)
def test_records_lines_faults_and_cells(body: bytes, ending: str, mark: bytes) -> None:
    header = b",".join(name.encode() for name in COLUMNS)
    data = mark + header + (b"\r\n" if ending == "crlf" else b"\n") + _with_ending(body, ending)
    rows, lines = _oracle(data)
    with tempfile.TemporaryDirectory() as name:
        found, cells = _read(Path(name), data)
    faults = {record: fault for record, _, fault in found.faulty.tolist()}
    assert found.records == len(rows) == len(cells)
    assert [_line_of(found, record) for record in range(1, len(rows) + 1)] == lines
    for record, (row, read) in enumerate(zip(rows, cells, strict=True), start=1):
        fault = faults.get(record, 0)
        assert bool(fault & ENCODING) == (not _is_text(row))
        if not fault & QUOTING:
            assert bool(fault & RAGGED) == (len(row) != len(COLUMNS))
        expected = [None] * 3 if fault else row
        assert [cell or "" for cell in read] == [cell or "" for cell in expected]


@given(bodies, st.integers(1, 40))
@settings(max_examples=30)
def test_where_buffers_end_makes_no_difference(body: bytes, chunk: int) -> None:
    data = b"person_id,gender_concept_id,year_of_birth\n" + body
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        whole, cells = _read(Path(name), data)
        patch.setattr(csv_records, "_CHUNK", chunk)
        parts, same = _read(Path(name), data)
    assert (parts.sha256, parts.records, same) == (whole.sha256, whole.records, cells)
    assert parts.faulty.tolist() == whole.faulty.tolist()
    assert parts.lines is not None
    assert whole.lines is not None
    assert parts.lines.tolist() == whole.lines.tolist()


def test_a_wide_header_over_short_lines_takes_no_more_memory(tmp_path: Path) -> None:
    path, fields = tmp_path / "person.csv", 1_000
    path.write_bytes(b"a\n" * 50_000 + b"," * (fields - 1))
    sizes = []
    found = csv_records.read_records(
        path,
        csv_records.Layout(",", quoting=True, fields=fields, header_bytes=0, header_lines=0),
        lambda chunk: sizes.append((len(chunk.cells), chunk.cells.nbytes)),
    )
    assert (found.records, len(found.faulty)) == (50_001, 50_000)
    assert sum(records for records, _ in sizes) == 50_001
    assert max(size for _, size in sizes) <= 16 << 20  # all of them would be 200 MB


def test_many_records_keep_their_order_through_blocks(tmp_path: Path) -> None:
    n = 400_000
    data = b"person_id,gender_concept_id,year_of_birth\n" + b"".join(
        b'%d,"%d",%s\n' % (record, record * 7, b"x" * (record % 40)) for record in range(1, n + 1)
    )
    found = _staged(tmp_path, data)
    assert (found.records, found.size) == (n, len(data))
    with duckdb.connect() as database:
        wrong = database.execute(
            "SELECT count(*), count(*) FILTER (WHERE person_id <> _record"
            " OR gender_concept_id <> person_id::BIGINT * 7"
            " OR coalesce(year_of_birth, '') <> repeat('x', person_id::BIGINT % 40))"
            f" FROM {RawRows(tmp_path, 'person', unparsed=0).text()}"
        ).fetchall()
    assert wrong == [(n, 0)]
