"""Spec tests: what is on the ledger, the question, the answer, as small tables, on every ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork

Build = Callable[..., BuiltNetwork]


@pytest.fixture(scope="module", params=PLACES)
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build networks on one kind of ledger; arguments are those of `BuiltNetwork`."""

    def build_network(**arguments: Any) -> BuiltNetwork:
        folder = tmp_path_factory.mktemp("network")
        return BuiltNetwork(folder, PLACES[request.param](folder), **arguments)

    return build_network
