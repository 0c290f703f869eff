"""OMOP ``procedure_occurrence``, ``device_exposure``, ``observation``, and the tables of a site."""

from __future__ import annotations

import numpy as np
import polars as pl

from precisionchain.synthetic.concepts import ELECTRONIC_RECORD, of_domain
from precisionchain.synthetic.persons import CARE_SITES, PROVIDERS
from precisionchain.synthetic.roster import Roster
from precisionchain.synthetic.tables import complete
from precisionchain.synthetic.visits import Events, Visits, draw_events, ever, on_visits

_YES = 4188539


def _draw(domain: str, visits: Visits, repeats: float, rng: np.random.Generator) -> Events:
    share = np.array([c.share for c in of_domain(domain)])
    persons = len(visits.first) - 1
    return draw_events(visits, ever(np.tile(share, (persons, 1)), repeats, rng), rng)


def _named(table: str, domain: str, first: int, roster: Roster, events: Events) -> pl.DataFrame:
    """Key, person, concept, type and source of each event."""
    ids = np.array([c.concept_id for c in of_domain(domain)])[events.what]
    names = {c.concept_id: c.name for c in of_domain(domain)}
    short = domain.lower()
    return pl.DataFrame(
        {
            f"{table}_id": first + np.arange(len(events)),
            "person_id": roster.person_id[events.person],
            f"{short}_concept_id": ids,
        }
    ).with_columns(
        pl.lit(ELECTRONIC_RECORD).alias(f"{short}_type_concept_id"),
        pl.col(f"{short}_concept_id")
        .replace_strict(names, return_dtype=pl.String)
        .alias(f"{short}_source_value"),
        pl.lit(0).alias(f"{short}_source_concept_id"),
    )


def procedure_table(roster: Roster, visits: Visits, rng: np.random.Generator) -> pl.DataFrame:
    """OMOP ``procedure_occurrence``; a procedure takes a day."""
    events = _draw("Procedure", visits, 0.4, rng)
    frame = _named("procedure_occurrence", "Procedure", 40_000_001, roster, events)
    moments = events.day.astype("datetime64[m]") + rng.integers(7 * 60, 18 * 60, len(events))
    frame = frame.with_columns(
        procedure_date=pl.Series(events.day),
        procedure_datetime=pl.Series(moments.astype("datetime64[us]")),
        procedure_end_date=pl.Series(events.day),
        modifier_concept_id=pl.lit(0),
        quantity=pl.lit(1),
        **on_visits(visits, events),
    )
    return complete("procedure_occurrence", frame)


def device_table(roster: Roster, visits: Visits, rng: np.random.Generator) -> pl.DataFrame:
    """OMOP ``device_exposure``, most of them until observation ends."""
    events = _draw("Device", visits, 0.05, rng)
    frame = _named("device_exposure", "Device", 45_000_001, roster, events)
    ends = pl.Series(visits.observed.end[events.person])
    kept = pl.Series(rng.random(len(events)) < 0.8)
    frame = frame.with_columns(
        device_exposure_start_date=pl.Series(events.day),
        device_exposure_start_datetime=pl.Series(events.day.astype("datetime64[us]")),
        device_exposure_end_date=pl.when(kept).then(ends),
        unique_device_id=pl.format("(01)0{}", "device_exposure_id"),
        quantity=pl.lit(1),
        **on_visits(visits, events),
    )
    return complete("device_exposure", frame)


def observation_table(roster: Roster, visits: Visits, rng: np.random.Generator) -> pl.DataFrame:
    """OMOP ``observation``: numbers for what has a mean, *Yes* for the rest, some with a text."""
    concepts = of_domain("Observation")
    events = _draw("Observation", visits, 0.3, rng)
    frame = _named("observation", "Observation", 60_000_001, roster, events)
    mean = np.array([c.mean for c in concepts])[events.what]
    sd = np.array([c.sd for c in concepts])[events.what]
    values = np.round(np.maximum(mean + sd * rng.standard_normal(len(events)), 0), 1)
    counted = pl.Series(mean > 0)
    remark = pl.Series(rng.random(len(events)) < 0.1)
    frame = frame.with_columns(
        observation_date=pl.Series(events.day),
        observation_datetime=pl.Series(events.day.astype("datetime64[us]")),
        value_as_number=pl.when(counted).then(pl.Series(values)),
        value_as_concept_id=pl.when(~counted).then(_YES),
        value_as_string=pl.when(remark).then(pl.lit("said so, asked twice")),
        **on_visits(visits, events),
    )
    return complete("observation", frame)


def site_tables(site: str) -> dict[str, pl.DataFrame]:
    """OMOP ``location``, ``care_site`` and ``provider``; names and places are invented."""
    places, staff = np.arange(1, CARE_SITES + 1), np.arange(1, PROVIDERS + 1)
    location = pl.DataFrame({"location_id": places}).with_columns(
        address_1=pl.format("{} Long Street", pl.col("location_id") * 7),
        city=pl.lit(f"Town {site}"),
        zip=pl.format("{}", 10_000 + pl.col("location_id")),
        latitude=pl.lit(48.0) + pl.col("location_id") / 100,
        longitude=pl.lit(11.0) + pl.col("location_id") / 100,
    )
    care_site = pl.DataFrame({"care_site_id": places, "location_id": places}).with_columns(
        care_site_name=pl.format("Ward {} of hospital {}", "care_site_id", pl.lit(site)),
        place_of_service_concept_id=pl.lit(0),
    )
    provider = pl.DataFrame(
        {"provider_id": staff, "care_site_id": 1 + (staff - 1) % CARE_SITES}
    ).with_columns(
        provider_name=pl.format("Doctor {}", "provider_id"),
        specialty_concept_id=pl.lit(0),
    )
    frames = {"location": location, "care_site": care_site, "provider": provider}
    return {name: complete(name, frame) for name, frame in frames.items()}
