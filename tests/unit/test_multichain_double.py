"""The MultiChain double answers as a real node does, and fails as a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.multichain_nodes import ReachableNode, double_node, real_node, real_node_absent
from tests.lib.multichain_steps import play
from tests.lib.multichain_transcript import SCENES
from tests.lib.multichain_transcript_raw import RAW_SCENES
from tests.lib.multichain_transcript_rights import RIGHTS_SCENES

TRANSCRIPT = {**SCENES, **RIGHTS_SCENES, **RAW_SCENES}


@pytest.fixture(scope="module", params=["double", pytest.param("real", marks=pytest.mark.slow)])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReachableNode]:
    if request.param == "double":
        with double_node() as found:
            yield found
    elif absent := real_node_absent():
        pytest.skip(absent)
    else:
        folder: Path = tmp_path_factory.mktemp("chain")
        with real_node(folder) as found:
            yield found


@pytest.mark.parametrize("scene", TRANSCRIPT)
def test_the_node_answers_as_the_transcript_says(node: ReachableNode, scene: str) -> None:
    play(node, TRANSCRIPT[scene])
