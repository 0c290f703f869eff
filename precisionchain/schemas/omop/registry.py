"""Every table we know, under its name in CDM 5.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from precisionchain.schemas.omop.table import Table, table_of

_MODULE_OF: Final = {
    name: module
    # Vocabulary first and parents before children: the order in which rows can be judged.
    for module, names in (
        ("vocabulary", "concept vocabulary domain concept_class concept_relationship relationship"),
        ("vocabulary", "concept_synonym concept_ancestor source_to_concept_map drug_strength"),
        ("site_tables", "location care_site provider"),
        ("persons", "person observation_period death"),
        ("visits", "visit_occurrence visit_detail"),
        ("events", "condition_occurrence drug_exposure procedure_occurrence device_exposure"),
        ("events", "measurement observation specimen"),
        ("visits", "note note_nlp"),
        ("derived", "condition_era drug_era dose_era episode episode_event"),
        ("persons", "payer_plan_period"),
        ("site_tables", "cost fact_relationship metadata cdm_source cohort_definition cohort"),
        ("site_tables", "attribute_definition cohort_attribute"),
    )
    for name in names.split()
}


class _Tables(Mapping[str, Table]):
    """Tables by name, each read off its model when it is first asked for.

    All take 40 ms, and a question is about few. A model's name is its table's: ``NoteNlp``.
    """

    def __init__(self) -> None:
        self._read: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self._read:
            module = import_module(f"precisionchain.schemas.omop.{_MODULE_OF[name]}")
            model = getattr(module, name.title().replace("_", ""))
            self._read.setdefault(name, table_of(name, model))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in _MODULE_OF

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULE_OF)

    def __len__(self) -> int:
        return len(_MODULE_OF)


TABLES: Final[Mapping[str, Table]] = _Tables()
