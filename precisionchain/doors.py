"""What the parts of the two doors stand on: work opens the ledger, questions pass the gate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from precisionchain.access.evaluated import Evaluated
    from precisionchain.config import SiteConfig, SiteFolder
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
