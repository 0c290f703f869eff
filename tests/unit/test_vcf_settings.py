"""The settings of genotype files have one home; methods and commands only spell them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import pytest
import typer.main

from precisionchain.cli.app import app
from precisionchain.errors import RegionError, UsageError
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.site import Site

SETTINGS = {each.name: each for each in fields(VcfSettings)}
METHODS: dict[str, Callable[..., Any]] = {
    "stage_vcf": Site.stage_vcf,
    "ingest_vcf": Site.ingest_vcf,
}
THEIR_OWN = {"self", "files", "replace", "progress"}
COMMAND: Any = typer.main.get_command(app)
DUE: dict[str, Any] = {"samples": "map.csv", "build": "GRCh37"}


def spelled(type_name: object) -> str:
    """A type as the methods spell it, whose module has another name for one of them."""
    return "QualityControl" if type_name == "Mode" else str(type_name)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_spells_every_setting_with_its_type_and_default(name: str) -> None:
    parameters = inspect.signature(METHODS[name]).parameters
    found = {
        each.name: (each.annotation, each.default)
        for each in parameters.values()
        if each.name not in THEIR_OWN
    }
    assert found == {
        name: (
            spelled(each.type),
            inspect.Parameter.empty if each.default is MISSING else each.default,
        )
        for name, each in SETTINGS.items()
    }


@pytest.mark.parametrize("group", ["stage", "ingest"])
def test_a_command_takes_every_setting_with_its_default(group: str) -> None:
    options = {each.name: each for each in COMMAND.commands[group].commands["vcf"].params}
    assert set(options) - {"replace", "as_json"} == {"files", *SETTINGS}
    for name, setting in SETTINGS.items():
        assert options[name].required == (setting.default is MISSING), name
        if setting.default is not MISSING:
            assert options[name].default == setting.default, name


def test_the_settings_of_a_call_are_all_its_arguments_of_those_names() -> None:
    def asked(files: str, **given: Any) -> VcfSettings:
        return VcfSettings.of({**given, "files": files})

    every = {name: each.default for name, each in SETTINGS.items()} | DUE | {"min_gq": 3}
    assert asked("a.vcf", **every) == VcfSettings(**DUE, min_gq=3)
    with pytest.raises(KeyError, match="min_dp"):
        asked("a.vcf", **{name: every[name] for name in every if name != "min_dp"})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"qc": "some"}, "--qc some"),
        ({"half_call": "some"}, "--half-call some"),
        ({"filter_policy": "some"}, "--filter some"),
        ({"min_gq": -1}, "--min-gq -1"),
        ({"min_gq": float("nan")}, "--min-gq nan"),
        ({"min_dp": float("inf")}, "--min-dp inf"),
        ({"max_f": 1.5}, "--max-f 1.5"),
        ({"max_f": float("nan")}, "--max-f nan"),
        ({"metadata_columns": ["a"]}, "no file of them"),
    ],
)
def test_a_value_that_is_none_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        VcfSettings(**DUE, **setting)


def test_a_build_is_known_by_its_canonical_name() -> None:
    assert VcfSettings(samples="m", build="hg19").build == "GRCh37"
    with pytest.raises(RegionError, match="hg42"):
        VcfSettings(samples="m", build="hg42")


def test_only_what_shapes_the_output_is_stored() -> None:
    every = VcfSettings(
        **DUE, source="s", reference="r", metadata="m", build_unverified=True, qc="none"
    )
    plain = {"build": "GRCh37", "half_call": "missing", "filter": "any", "normalisation": ["split"]}
    assert every.stored(["split"]) == VcfSettings(**DUE).stored(["split"]) == plain
    assert VcfSettings(**DUE, min_gq=0, assay="gvcf").stored(["split"]) == plain | {
        "min_gq": 0,
        "gvcf": {"min_gq": 20, "min_dp": 1},
    }


def test_the_settings_load_no_engine() -> None:
    program = "import sys, precisionchain.ingest.vcf_settings; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "pyarrow", "polars", "duckdb", "numba", "pydantic", "cryptography"}
    assert heavy & set(loaded.stdout.split()) == set()
