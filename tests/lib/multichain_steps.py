"""Steps of a scripted transcript with a MultiChain node, and how they are run.

A step is a call and what must come back. ``$name`` in its parameters or its shape stands for what
an earlier step kept under that name, ``{name}`` inside a longer text too. Names in ``START`` are
there from the start: ``$me`` is the node's first address, ``$tag`` makes stream names new.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_nodes import ReachableNode
from tests.lib.multichain_shapes import Each, Fields, difference

BLOCK = "make a block"


@dataclass(frozen=True)
class Step:
    """One call. Without ``code`` it must succeed and give ``shape``; with one it must fail so."""

    method: str
    params: tuple[Any, ...] = ()
    shape: Any = None
    keep: str = ""
    """Under which name to keep the result; ``name=field`` keeps one field of it."""
    code: int = 0
    message: str = ""


@dataclass(frozen=True)
class Derive:
    """Keep what follows from what was kept."""

    keep: str
    value: Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Post:
    """One HTTP request: its status, the start of its body, and the shape of a JSON body."""

    body: Any
    status: int
    text: str = ""
    shape: Any = None
    verb: str = "POST"
    path: str = "/"
    authorised: bool = True


def gives(shape: Any, method: str, *params: Any, keep: str = "") -> Step:
    return Step(method, params, shape, keep)


def fails(code: int, message: str, method: str, *params: Any) -> Step:
    return Step(method, params, None, "", code, message)


def play(node: ReachableNode, steps: Iterable[Step | Post | Derive | str]) -> None:
    """Run steps one after the other; the first that answers otherwise is an AssertionError."""
    kept: dict[str, Any] = {"me": node.call("getaddresses")[0], "tag": secrets.token_hex(4)}
    for number, step in enumerate(steps, 1):
        if isinstance(step, str):
            node.mine()
            continue
        if isinstance(step, Derive):
            kept[step.keep] = step.value(kept)
            continue
        found = _posted(node, step) if isinstance(step, Post) else _called(node, step, kept)
        assert found is None, f"step {number}, {_short(step)}: {found}"


def _called(node: ReachableNode, step: Step, kept: dict[str, Any]) -> str | None:
    try:
        result = node.call(step.method, *_filled(step.params, kept))
    except RpcError as error:
        if (error.code, error.message) == (step.code, _filled(step.message, kept)):
            return None
        # The help text is the node's own.
        return (
            None if error.code == step.code == -1 and not step.message else f"{error.code} {error}"
        )
    if step.code:
        return f"succeeded: {result!r:.300}"
    if step.keep:
        name, _, field = step.keep.partition("=")
        kept[name] = result[field] if field else result
    return difference(_filled(step.shape, kept), result)


def _posted(node: ReachableNode, step: Post) -> str | None:
    answer = node.post(step.body, verb=step.verb, path=step.path, authorised=step.authorised)
    if answer.status_code != step.status:
        return f"status {answer.status_code}, not {step.status}: {answer.text:.300}"
    if step.shape is not None:
        return difference(step.shape, answer.json())
    same = answer.text.startswith(step.text) and bool(answer.text) == bool(step.text)
    return None if same else f"body {answer.text[:300]!r}, not {step.text!r}"


def _filled(value: Any, kept: dict[str, Any]) -> Any:
    """Put in what was kept."""
    if isinstance(value, str):
        if value.startswith("$"):
            return kept[value[1:]]
        return re.sub(r"\{(\w+)\}", lambda found: str(kept[found[1]]), value)
    if isinstance(value, list | tuple):
        return [_filled(one, kept) for one in value]
    if isinstance(value, Each):
        return Each(_filled(value.shape, kept), value.count)
    if isinstance(value, dict):
        kind = Fields if isinstance(value, Fields) else dict
        return kind({_filled(name, kept): _filled(one, kept) for name, one in value.items()})
    return value


def _short(step: Step | Post) -> str:
    if isinstance(step, Post):
        return f"{step.verb} {step.body!r:.80}"
    return f"{step.method}{list(step.params)!r:.300}"
