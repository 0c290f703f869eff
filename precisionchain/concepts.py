"""The part of the door for concepts: found by name, told in full, and kept as sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.doors import QuestionsDoor
from precisionchain.errors import UnreadableFileError
from precisionchain.query import typed
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.streams import VOCABULARY

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.concept_sets import ConceptSet
    from precisionchain.query.saved_concept_sets import SavedConceptSets

GivenSet: TypeAlias = "ConceptSet | str | Path | Mapping[str, Any] | Iterable[int | str]"
"""A concept set; the name of a saved one; a path to ATLAS's JSON, or its object; or words."""


class ConceptsDoor(QuestionsDoor):
    """What `Network` does about concepts."""

    def concepts(
        self,
        text: str | None = None,
        *,
        domain: str | None = None,
        vocabulary: str | None = None,
        standard: bool | None = None,
        counts: bool = False,
    ) -> pl.DataFrame:
        """Return the concepts of the vocabulary slices that a text finds, the best match first.

        Args:
            text: words that the name has, in any order, case and accents, each at least by its
                beginning; or an id, or a code.
            domain: of these alone, as ``Condition``.
            vocabulary: of this alone, as ``SNOMED``.
            standard: standard concepts alone, or those that are none.
            counts: with the rows whose main concept it is, and how many persons have one.

        Raises:
            UsageError: no concept is of that domain or vocabulary, or the text has no word.
        """
        from precisionchain.query.concept_counts import with_counts
        from precisionchain.query.concept_search import Wanted, found_concepts
        from precisionchain.query.slices import slices

        asked = {
            "text": text,
            "domain": domain,
            "vocabulary": vocabulary,
            "standard": standard,
            "counts": counts,
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            wanted = Wanted(text, domain, vocabulary, standard)
            found = found_concepts(slices(snapshot), wanted)
            if not counts:
                return evaluated_frame(found)
            counted, persons = with_counts(snapshot, found)
            return evaluated_frame(counted, contributed=persons)

        return self._ask("concepts", "clinical", asked, answer)

    def concept(self, concept: int) -> dict[str, pl.DataFrame]:
        """Return what the vocabulary slices say of a concept, a frame each: its names by source,
        its ancestors and descendants with levels, what it maps to and what maps to it.

        Raises:
            UnknownConceptError: the concept is in no vocabulary slice and in no row.
        """
        from precisionchain.access.digest import frame_digest, value_digest
        from precisionchain.query.concept_search import concept_page
        from precisionchain.query.slices import slices

        def answer(snapshot: Snapshot) -> Evaluated[dict[str, pl.DataFrame]]:
            page = concept_page(slices(snapshot), concept)
            digest = value_digest({name: frame_digest(frame) for name, frame in page.items()})
            return Evaluated(page, sum(frame.height for frame in page.values()), digest)

        return self._ask("concept", "clinical", {"concept": typed.number(concept)}, answer)

    def vocabularies(self, *, differences: bool = False) -> pl.DataFrame:
        """Return which releases of which vocabularies the sites' slices are of.

        Args:
            differences: instead, the concepts of which sites say different things, and what is
                taken.
        """
        from precisionchain.query import concept_search
        from precisionchain.query.slices import slices

        shown = concept_search.differences if differences else concept_search.vocabulary_releases
        return self._ask(
            "vocabularies",
            "clinical",
            {"differences": differences},
            lambda snapshot: evaluated_frame(shown(slices(snapshot))),
        )

    def concept_set(self, given: GivenSet) -> pl.DataFrame:
        """Return the concepts that a set means in this network, and of those it names the excluded
        and the unknown ones.

        Args:
            given: a set, the name of a saved one, a path to ATLAS's JSON, or its object, or words
                as ``201826+``.

        Raises:
            UsageError: it is no set.
            UnknownConceptError: the network knows none of the concepts that it includes.
        """
        from precisionchain.query.concept_search import set_concepts
        from precisionchain.query.slices import slices

        meant = self.read_concept_set(given)
        asked = {"include": list(meant.include_words), "exclude": list(meant.exclude_words)}

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            found = slices(snapshot)
            return evaluated_frame(set_concepts(found, found.resolve(meant), {*meant.concepts}))

        return self._ask("concept-set", "clinical", asked, answer)

    def save_concept_set(
        self,
        name: str,
        given: GivenSet,
        *,
        which: str | int | None = None,
        overwrite: bool = False,
    ) -> ConceptSet:
        """Keep a concept set in the site folder by a name, and return it. Nothing is asked.

        Args:
            name: what it is saved as.
            given: as of `concept_set`.
            which: of a document of several sets, the name or number of the one that is meant.
            overwrite: replace a set of that name.

        Raises:
            UsageError: it is no name, or taken, or no set is given.
            UnreadableFileError: a file that cannot be read.
        """
        from precisionchain.query.atlas_sets import title_of

        concepts = self.read_concept_set(given, which)
        title = title_of(given, which) if isinstance(given, str | Path | Mapping) else None
        self._concept_sets.save(name, concepts, title=title, overwrite=overwrite)
        return concepts

    @property
    def has_vocabulary(self) -> bool:
        """Whether the vocabulary slice of a sealed batch names a concept. Nothing is asked."""
        return self._opened.snapshot().path(f"{VOCABULARY}/concept") is not None

    def concept_sets(self) -> pl.DataFrame:
        """Return the concept sets saved in the site folder, by name. Nothing is asked."""
        return self._concept_sets.listed()

    @property
    def _concept_sets(self) -> SavedConceptSets:
        from precisionchain.query.saved_concept_sets import SavedConceptSets

        return SavedConceptSets(self._opened.folder.concept_sets)

    def read_concept_set(self, given: GivenSet, which: str | int | None = None) -> ConceptSet:
        """Return the set that is given; a text names a saved one, else a file. Nothing is asked.

        Raises:
            UsageError: it is no set.
            UnreadableFileError: it names neither a saved set nor a file that can be read.
            IntegrityError: the saved set is damaged.
        """
        from precisionchain.query.atlas_sets import atlas_concept_set
        from precisionchain.query.concept_sets import ConceptSet

        if isinstance(given, ConceptSet):
            return given
        if isinstance(given, str) and given in self._concept_sets.names():
            return self._concept_sets.load(given)
        if isinstance(given, str) and not Path(given).exists():
            raise UnreadableFileError(
                "neither a saved concept set nor a file, nor a concept as 201826+",
                where=given,
                hint="`precisionchain concepts list` lists the saved ones",
            )
        if isinstance(given, str | Path | Mapping):
            return atlas_concept_set(given, which)
        return ConceptSet.from_words(given)
