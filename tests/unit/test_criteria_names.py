"""The functions of criteria as public names, and what they cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

import precisionchain
from precisionchain.query import expressions
from precisionchain.query.functions import LOGIC


def test_every_function_is_a_public_name() -> None:
    functions = set(expressions.functions()) - set(LOGIC)
    assert functions <= set(precisionchain.__all__)
    for name in functions:
        assert getattr(precisionchain, name) is expressions.functions()[name]


@pytest.mark.parametrize(
    "statement",
    ["pc.condition(1) & ~pc.carries('9:1:A:G')", "pc.criterion('condition(1)').json"],
)
def test_criteria_load_no_engine(statement: str) -> None:
    program = f"""
import sys, precisionchain as pc
{statement}
engines = ("duckdb", "polars", "pyarrow", "numba", "pydantic", "cryptography", "typer", "rich")
print(*[name for name in engines if name in sys.modules], sep=",")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == ""
