"""Every command and every line of Python that the documentation shows can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
import typer.main

import precisionchain
from precisionchain.audit import Audit
from precisionchain.cli.app import app
from precisionchain.network import Network
from precisionchain.network import connect as real_connect
from precisionchain.site import Site

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT_ROOT.glob("*.md"), *PROJECT_ROOT.glob("docs/**/*.md")])

# Their Python runs for real, in tests of their own.
TYPED = {
    "docs/tutorial.md",
    *(f"docs/how-to/{page}.md" for page in ("stage-a-site", "ask", "audit")),
}

_COMMAND = re.compile(r"^(?:\$ )?(precisionchain .+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _commands() -> list[str]:
    blocks = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    pages = [page.read_text(encoding="utf-8").replace("\\\n", " ") for page in PAGES]
    texts = [block for page in pages for block in blocks.findall(page)]
    return sorted({command for text in texts for command in _COMMAND.findall(text)})


def _python_blocks() -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(PROJECT_ROOT)), block)
        for page in PAGES
        for block in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if "import precisionchain" in block and str(page.relative_to(PROJECT_ROOT)) not in TYPED
    ]


def _without_actions(command: Any) -> Any:
    """The command tree with every leaf's action replaced by nothing: it parses, and no more."""
    for child in getattr(command, "commands", {}).values():
        _without_actions(child)
    if not getattr(command, "commands", {}):
        command.callback = lambda **_: None
    return command


@pytest.mark.parametrize("command", _commands())
def test_a_command_of_the_documentation_parses(command: str) -> None:
    root = _without_actions(typer.main.get_command(app))
    arguments = shlex.split(command, comments=True)[1:]
    assert root.main(arguments, prog_name="precisionchain", standalone_mode=False) in (None, 0)


def test_the_readme_shows_the_commands_a_newcomer_types() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    first_screen = "\n".join(readme.splitlines()[:50])
    verbs = ("init", "ingest omop", "ingest vcf", "query domain", "audit who-saw", "verify")
    typed = _COMMAND.findall(first_screen)
    assert [verb for verb in verbs if not any(verb in command for command in typed)] == []


@pytest.mark.parametrize(("page", "block"), _python_blocks())
def test_python_of_the_documentation_calls_what_exists(
    page: str, block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = create_autospec(Network, instance=True)
    network.__enter__.return_value = network
    network.audit = create_autospec(Audit, instance=True)
    monkeypatch.setattr(
        precisionchain,
        "connect",
        create_autospec(real_connect, return_value=network),
        raising=False,
    )
    monkeypatch.setattr(precisionchain, "Site", create_autospec(Site), raising=False)
    from_file = create_autospec(
        precisionchain.cohort_definition, return_value=precisionchain.everyone()
    )
    monkeypatch.setattr(precisionchain, "cohort_definition", from_file, raising=False)
    exec(compile(block, page, "exec"), {})
