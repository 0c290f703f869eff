"""A setting, a stream or a column that no page of the reference names fails here."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from precisionchain.access.alerts import ALERT_COLUMNS
from precisionchain.access.search import ENTRY_COLUMNS, SEEN_BY_COLUMNS, WHO_SAW_COLUMNS
from precisionchain.config import SiteConfig, SiteFolder
from precisionchain.query.frequencies import FREQUENCIES
from precisionchain.query.person_variants import PERSON_VARIANTS
from precisionchain.query.variants import VARIANT_CALLS
from precisionchain.schemas.founding import founding_streams
from precisionchain.schemas.parameters import NetworkParameters

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def _page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NetworkParameters.model_fields)
def test_a_parameter_of_the_network_is_documented(name: str) -> None:
    assert f"| `{name}` |" in _page("settings.md")


@pytest.mark.parametrize("name", [field.name for field in fields(SiteConfig)])
def test_a_setting_of_a_site_is_documented(name: str) -> None:
    assert f"| `{name}` |" in _page("settings.md")


@pytest.mark.parametrize(
    "name", [name for name, value in vars(SiteFolder).items() if isinstance(value, property)]
)
def test_a_path_of_a_site_folder_is_documented(name: str) -> None:
    path: Path = getattr(SiteFolder(Path()), name)
    assert f"`{path.parts[0]}" in _page("settings.md")


def test_the_kinds_of_streams_are_documented() -> None:
    parameters = NetworkParameters(
        nonce="00" * 16, ancestors={"CONDITION": (436670,)}, published={}
    )
    page = _page("streams.md")
    kinds = {name.split("_")[0] for name in founding_streams(parameters)}
    assert len(kinds) > 15
    clinical = {"CONDITION", "DRUG"}
    assert sorted(kind for kind in (kinds - _domains()) | clinical if kind not in page) == []


def _domains() -> set[str]:
    from precisionchain.schemas.omop import TABLES

    return {table.domain_prefix for table in TABLES.values() if table.domain_prefix}


@pytest.mark.parametrize(
    ("page", "columns"),
    [
        ("frames.md", VARIANT_CALLS),
        ("frames.md", PERSON_VARIANTS),
        ("frames.md", FREQUENCIES),
        ("access-log.md", ENTRY_COLUMNS),
        ("access-log.md", SEEN_BY_COLUMNS),
        ("access-log.md", WHO_SAW_COLUMNS),
        ("access-log.md", ALERT_COLUMNS),
    ],
)
def test_the_columns_of_an_answer_are_documented(page: str, columns: dict[str, object]) -> None:
    text = _page(page)
    assert [name for name in columns if f"`{name}`" not in text] == []
