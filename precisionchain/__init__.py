"""PrecisionChain: clinical and genetic data of several institutions on append-only streams.

The public names are these; each is loaded when it is first used, so that ``import
precisionchain`` costs no engine::

    import precisionchain as pc

    site = pc.Site("site_a/")  # stage, inspect and publish
    with pc.connect("site_a/") as net:  # ask
        net.domain(201826)
        net.cohort(pc.condition(201826) & ~pc.carries("9:22098574:A:G"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from precisionchain.errors import PrecisionChainError as PrecisionChainError
    from precisionchain.ledger.proofs import check_consistency as check_consistency
    from precisionchain.ledger.proofs import check_inclusion as check_inclusion
    from precisionchain.network import Network as Network
    from precisionchain.network import connect as connect
    from precisionchain.query.atlas_sets import atlas_concept_set as atlas_concept_set
    from precisionchain.query.circe.reading import cohort_definition as cohort_definition
    from precisionchain.query.expressions import after as after
    from precisionchain.query.expressions import age as age
    from precisionchain.query.expressions import assayed as assayed
    from precisionchain.query.expressions import at_least as at_least
    from precisionchain.query.expressions import at_most as at_most
    from precisionchain.query.expressions import at_site as at_site
    from precisionchain.query.expressions import before as before
    from precisionchain.query.expressions import born as born
    from precisionchain.query.expressions import carries as carries
    from precisionchain.query.expressions import carries_structural as carries_structural
    from precisionchain.query.expressions import circe as circe
    from precisionchain.query.expressions import concept_set as concept_set
    from precisionchain.query.expressions import condition as condition
    from precisionchain.query.expressions import condition_era as condition_era
    from precisionchain.query.expressions import death as death
    from precisionchain.query.expressions import device as device
    from precisionchain.query.expressions import dose_era as dose_era
    from precisionchain.query.expressions import drug as drug
    from precisionchain.query.expressions import drug_era as drug_era
    from precisionchain.query.expressions import during as during
    from precisionchain.query.expressions import either as either
    from precisionchain.query.expressions import episode as episode
    from precisionchain.query.expressions import ethnicity as ethnicity
    from precisionchain.query.expressions import event as event
    from precisionchain.query.expressions import everyone as everyone
    from precisionchain.query.expressions import exactly as exactly
    from precisionchain.query.expressions import genotype as genotype
    from precisionchain.query.expressions import genotyped as genotyped
    from precisionchain.query.expressions import index as index
    from precisionchain.query.expressions import maf as maf
    from precisionchain.query.expressions import measurement as measurement
    from precisionchain.query.expressions import observation as observation
    from precisionchain.query.expressions import observed as observed
    from precisionchain.query.expressions import persons as persons
    from precisionchain.query.expressions import procedure as procedure
    from precisionchain.query.expressions import race as race
    from precisionchain.query.expressions import recorded as recorded
    from precisionchain.query.expressions import same_visit as same_visit
    from precisionchain.query.expressions import saved as saved
    from precisionchain.query.expressions import sequenced as sequenced
    from precisionchain.query.expressions import sex as sex
    from precisionchain.query.expressions import some_of as some_of
    from precisionchain.query.expressions import specimen as specimen
    from precisionchain.query.expressions import visit as visit
    from precisionchain.query.expressions import visit_detail as visit_detail
    from precisionchain.query.expressions import within_days as within_days
    from precisionchain.query.expressions import without as without
    from precisionchain.query.spelling import criterion as criterion
    from precisionchain.site import Site as Site

__version__ = "0.1.0.dev0"

# fmt: off
_FUNCTIONS_OF_CRITERIA = (
    "after", "age", "assayed", "at_least", "at_most", "at_site", "before", "born", "carries",
    "carries_structural", "circe", "concept_set", "condition", "condition_era", "death", "device",
    "dose_era", "drug", "drug_era", "during", "either", "episode", "ethnicity", "event",
    "everyone", "exactly", "genotype", "genotyped", "index", "maf", "measurement", "observation",
    "observed", "persons", "procedure", "race", "recorded", "same_visit", "saved", "sequenced",
    "sex", "some_of", "specimen", "visit", "visit_detail", "within_days", "without",
)
# fmt: on

_HOME_OF = {
    **dict.fromkeys(_FUNCTIONS_OF_CRITERIA, "precisionchain.query.expressions"),
    "Network": "precisionchain.network",
    "PrecisionChainError": "precisionchain.errors",
    "Site": "precisionchain.site",
    "atlas_concept_set": "precisionchain.query.atlas_sets",
    "cohort_definition": "precisionchain.query.circe.reading",
    "check_consistency": "precisionchain.ledger.proofs",
    "check_inclusion": "precisionchain.ledger.proofs",
    "connect": "precisionchain.network",
    "criterion": "precisionchain.query.spelling",
}

__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604  # each a str


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use (PEP 562).

    Raises:
        AttributeError: the name is not public.
    """
    if name not in _HOME_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
