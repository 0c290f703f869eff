"""What the parts of the two doors stand on: work opens the ledger, questions pass the gate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from precisionchain.access.evaluated import Evaluated
    from precisionchain.config import SiteConfig, SiteFolder
    from precisionchain.ingest.outbox import Outbox
    from precisionchain.ingest.publish import Publisher
    from precisionchain.ingest.report import Progress
    from precisionchain.ingest.staging import Staging
    from precisionchain.opened import OpenSite
    from precisionchain.replica.catalogue import Snapshot

T = TypeVar("T")


class WorkDoor(ABC):
    """What the parts of `Site` know of it."""

    folder: SiteFolder
    config: SiteConfig
    staging: Staging

    @abstractmethod
    def _opened(self) -> AbstractContextManager[OpenSite]:
        """Open the site's ledger for a while."""

    @contextmanager
    def _publishing(
        self, operation: str, said: Progress
    ) -> Iterator[tuple[OpenSite, Publisher, Outbox]]:
        """Hold what publishes, and the site's lock, once what a killed job left is finished."""
        from precisionchain.config import writing_job
        from precisionchain.ingest.outbox import Outbox
        from precisionchain.ingest.publish import resume

        with writing_job(self.folder), self._opened() as opened:
            opened.require(operation)
            with closing(Outbox(self.folder.outbox)) as outbox:
                publisher = opened.publisher()
                resume(publisher, outbox, said.advance)
                yield opened, publisher, outbox


class QuestionsDoor(ABC):
    """What the parts of `Network` know of it."""

    _opened: OpenSite

    @abstractmethod
    def _ask(
        self,
        operation: str,
        data: str,
        asked: Mapping[str, Any],
        answer: Callable[[Snapshot], Evaluated[T]],
    ) -> T:
        """Put a question through the gate."""
