"""Tables as payloads, with what holds for all their rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import to_body
from precisionchain.schemas.items import Codec, Payload
from precisionchain.schemas.said_tables import read_table, table_payload

ROWS = pa.table({"start": pa.array([5, 9], pa.int32()), "end": pa.array([7, 9], pa.int32())})


def test_rows_and_what_is_said_come_back() -> None:
    said = {"build": "GRCh37", "classes": ["snv"], "n": 2}
    for given in (said, {}, None):
        made = table_payload("assay", ROWS, 6, given, {"end": "start"})
        assert read_table(made, ("assay", "counts"), "an assay is") == (ROWS, given or {})


def test_what_is_said_does_not_depend_on_its_order_nor_on_other_metadata() -> None:
    one = table_payload("assay", ROWS, 6, {"a": 1, "b": "Ä"})
    of_pandas = ROWS.replace_schema_metadata({b"pandas": b"{}"})
    assert one == table_payload("assay", of_pandas, 6, {"b": "Ä", "a": 1})


@pytest.mark.parametrize("kind", ["counts", "assay"])
def test_another_kind_or_codec_is_refused(kind: str) -> None:
    codec = Codec.ARROW if kind == "counts" else Codec.JSON
    with pytest.raises(CodecError, match=f"a {kind} payload where an assay is expected"):
        read_table(Payload(kind, codec, b""), ("assay",), "an assay is")


def test_metadata_that_are_no_json_are_refused_and_no_mapping_says_nothing() -> None:
    def made(text: bytes) -> Payload:
        body = to_body(ROWS.replace_schema_metadata({b"said": text}), 6)
        return Payload("assay", Codec.ARROW, body)

    for text in (b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(CodecError, match="metadata cannot be read"):
            read_table(made(text), ("assay",), "an assay is")
    assert read_table(made(b"[1]"), ("assay",), "an assay is")[1] == {}
