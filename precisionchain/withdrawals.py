"""The part of the door for work that takes back: withdraw persons and batches, readmit persons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from precisionchain.doors import WorkDoor
from precisionchain.errors import UsageError

if TYPE_CHECKING:
    from precisionchain.ingest.report import Progress
    from precisionchain.ingest.withdraw import Corrected, Corrections


class WithdrawalsDoor(WorkDoor):
    """What `Site` does about withdrawals; who acts needs the role ``institution``."""

    def withdraw_persons(
        self, persons: Iterable[int | str], *, progress: Progress | None = None
    ) -> Corrected:
        """Take persons of this site out of every answer, and of what is ingested from now on.

        Who is withdrawn already stays so; where that is everybody, nothing is published.

        Args:
            persons: as ``42`` or ``A:42``; nothing need have been published of them.
            progress: where it is said what is done; never whom it is about.

        Raises:
            UsageError: a text is no person, or one of another site.
            AccessRefusedError: the acting user has not the role ``institution``.
        """
        return self._correct(
            "withdraw", progress, lambda site, to: to.withdraw_persons(_ids(site, persons))
        )

    def readmit_persons(
        self, persons: Iterable[int | str], *, progress: Progress | None = None
    ) -> Corrected:
        """Let withdrawn persons count again, as far as sealed batches hold them.

        What was withheld while they were withdrawn comes when their source is loaded again.
        Arguments and errors as of `withdraw_persons`.
        """
        return self._correct(
            "readmit", progress, lambda site, to: to.readmit_persons(_ids(site, persons))
        )

    def withdraw_batch(self, batch: str, *, progress: Progress | None = None) -> Corrected:
        """Take a batch that this site sealed out of every answer as of now.

        It stays the head of its source: loading an export again brings it back.

        Args:
            batch: its id in hex, or the first eight digits or more.
            progress: where it is said what is done.

        Raises:
            UsageError: this site has sealed no such batch, or several begin so.
            AccessRefusedError: the acting user has not the role ``institution``.
        """
        return self._correct("withdraw", progress, lambda _, to: to.withdraw_batches([batch]))

    def withdraw_source(self, source: str, *, progress: Progress | None = None) -> Corrected:
        """Take all batches of a source of this site out of every answer as of now.

        Raises:
            UsageError: this site has sealed nothing under that name.
            AccessRefusedError: the acting user has not the role ``institution``.
        """
        return self._correct("withdraw", progress, lambda _, to: to.withdraw_source(source))

    def _correct(
        self,
        operation: str,
        progress: Progress | None,
        correct: Callable[[str, Corrections], Corrected],
    ) -> Corrected:
        """Finish what a killed job left, correct, and sync."""
        from precisionchain.ingest.report import Silent
        from precisionchain.ingest.withdraw import Corrections

        said = progress or Silent()
        with self._publishing(operation, said) as (opened, publisher, outbox):
            snapshot = opened.sync_if_behind(said.step)
            to = Corrections(publisher, outbox, snapshot, said.step, said.advance)
            done = correct(opened.config.site, to)
            opened.sync_if_behind(said.step)
        return done


def _ids(site: str, persons: Iterable[int | str]) -> list[int]:
    """Return the ids of persons of a site.

    Raises:
        UsageError: one is no person, or of another site.
    """
    from precisionchain.schemas.person import parse_person

    found = []
    for person in persons:
        of, person_id = parse_person(str(person))
        if of not in (None, site):
            raise UsageError(
                f"a person of site {of} is named", hint=f"only site {of} can withdraw or readmit it"
            )
        found.append(person_id)
    return found
