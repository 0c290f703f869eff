"""The text form of criteria, read by recursive descent: ``condition(201826) & ~carries(...)``.

``docs/reference/cohorts.md`` has the grammar, ``tokens.py`` its words. Errors name the column and
what was expected there. They may repeat what was typed, so they are for the one who typed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from precisionchain.errors import UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import MAX_DEPTH, OPERATORS, Criterion, Maf, every_number
from precisionchain.query.functions import call_function, nearest_function
from precisionchain.query.tokens import MAX_LENGTH, RESERVED, Token, column, tokens

_Made: TypeAlias = "Criterion | Maf | ConceptSet"

_OR: Final = ("|", "or")
_AND: Final = ("&", "and")
_NOT: Final = ("~", "not")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FLAGS: Final = {"true": True, "false": False}
_EXAMPLE: Final = "as condition(201826)"


@lru_cache(maxsize=8)
def parse_text(text: str) -> Criterion:
    """Return the criterion a text spells; kept, as a question reads it to log and to answer it.

    Raises:
        UsageError: it spells none; the error names the column and what is expected there.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"a criterion has at most {MAX_LENGTH:,} characters")
    try:
        return _Parser(text).criterion()
    except RecursionError:
        # Nesting is counted: only the caller's own stack can be the cause, where it is nearly full.
        raise UsageError("a criterion cannot be read this deep inside of other calls") from None


@dataclass(slots=True)
class _Arguments:
    """The arguments of a call, as far as they are read."""

    positional: list[object] = field(default_factory=list)
    named: dict[str, object] = field(default_factory=dict)
    bounds: dict[str, dict[str, object]] = field(default_factory=dict)


class _Parser:
    """A place in a text, and the rules of the grammar that read on from there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._token = next(self._tokens)
        self._following: Token | None = None
        self._depth = 0

    def criterion(self) -> Criterion:
        """Read the whole text."""
        criterion = self._expression()
        if self._token.kind != "end":
            self._expected("&, | or the end of the text")
        if not isinstance(criterion, Criterion):
            raise UsageError(
                "maf(...) and concept_set(...) are no criteria by themselves",
                hint="carries(9:22000000-22130000, maf(0..0.01)), condition(concept_set(201826+))",
            )
        return criterion

    # --------------------------------------------------------------------------- the grammar

    def _expression(self) -> _Made:
        """Read ``or = and { "|" and }``, in which ``and = not { "&" not }``."""
        either, at = [], self._token.at
        while True:
            both = [self._operand()]
            while self._takes(*_AND):
                both.append(self._operand())
            either.append(both[0] if len(both) == 1 else self._made("and", both, at))
            if not self._takes(*_OR):
                return either[0] if len(either) == 1 else self._made("or", either, at)

    def _operand(self) -> _Made:
        """Read ``not = "~" not | "(" or ")" | call``."""
        around, negated = self._depth, []
        while self._is(*_NOT):
            negated.append(self._deeper())
        if self._is("("):
            self._deeper()
            criterion = self._expression()
            self._expect(")", "&, | or )")
        else:
            criterion = self._call()
        for at in reversed(negated):
            criterion = self._made("not", [criterion], at)
        self._depth = around
        return criterion

    def _call(self) -> _Made:
        """Read ``call = NAME "(" [ argument { "," argument } ] ")"``."""
        name, around = self._token, self._depth
        if name.kind != "atom":
            self._expected("a criterion", _EXAMPLE)
        hint = nearest_function(name.text)
        if hint is not None:
            self._fail(f"there is no function {name}", hint)
        self._next()
        if not self._is("("):
            self._expected(f"( after {name.text}")
        self._deeper()
        given = _Arguments()
        if not self._takes(")"):
            self._argument(given)
            while self._takes(","):
                self._argument(given)
            self._expect(")", ", or )")
        self._depth = around
        with self._placing_errors(name.at, name.text):
            return call_function(name.text, given.positional, given.named, given.bounds)

    def _argument(self, given: _Arguments) -> None:
        """Read ``argument = value | NAME "=" value | NAME COMPARISON ( number | NAME )``."""
        name, operator = self._token, self._peek()
        is_named = name.kind == "atom" and _NAME.fullmatch(name.text)
        if not is_named or operator.kind != "sign" or operator.text not in OPERATORS:
            if given.named or given.bounds:
                self._fail("an argument without a name stands after one with a name")
            given.positional.append(self._value())
            return
        is_number = name.text in every_number()
        if operator.text != "=" and not is_number:
            self._fail(
                "only numbers of a row are compared", f"{name.text}=, as since=2015-01-01, age=50.."
            )
        taken = given.bounds.setdefault(name.text, {}) if is_number else given.named
        key = operator.text if is_number else name.text
        if key in taken:
            self._fail(f"{name.text} {operator.text} stands twice")
        self._next()
        self._next()
        if is_number and not self._is_comparable(operator.text):
            self._expected("a number", "as 7, -0.5 or 1e-3, or one of the row's, as range_high")
        taken[key] = self._value()

    def _is_comparable(self, operator: str) -> bool:
        kind = self._token.kind
        is_name = kind == "atom" and self._token.text in every_number() and not self._is_call()
        return kind == "number" or is_name or (kind == "interval" and operator == "=")

    def _value(self) -> object:
        """Read ``value = or | list | scalar``."""
        if self._takes("["):
            several = [self._scalar()]
            while self._takes(","):
                several.append(self._scalar())
            self._expect("]", ", or ]")
            return several
        if self._is("(", *_NOT) or (self._token.kind == "atom" and self._is_call()):
            return self._expression()
        return self._scalar()

    def _scalar(self) -> object:
        """Read an interval, number, flag, atom or string."""
        token = self._token
        if token.kind == "reserved" and token.text in _FLAGS:
            self._next()
            return _FLAGS[token.text]
        if token.kind not in ("atom", "string", "number", "interval"):
            self._expected("a value")
        self._next()
        return token.value

    # -------------------------------------------------------------------------- on to the next

    def _next(self) -> None:
        self._token = self._peek()
        self._following = None

    def _peek(self) -> Token:
        if self._following is None:
            self._following = next(self._tokens, self._token)
        return self._following

    def _is(self, *texts: str) -> bool:
        return self._token.kind in ("sign", "reserved") and self._token.text in texts

    def _is_call(self) -> bool:
        following = self._peek()
        return following.kind == "sign" and following.text == "("

    def _takes(self, *texts: str) -> bool:
        if not self._is(*texts):
            return False
        self._next()
        return True

    def _deeper(self) -> int:
        """Take what opens a level, and return its place."""
        at = self._token.at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"criteria nest {MAX_DEPTH} deep at most", "save a part as a cohort")
        self._next()
        return at

    def _expect(self, sign: str, expected: str) -> None:
        if not self._takes(sign):
            self._expected(expected)

    # ----------------------------------------------------------------------- values and errors

    def _made(self, name: str, parts: list[_Made], at: int) -> _Made:
        with self._placing_errors(at, name):
            return call_function(name, parts, {}, {})

    @contextmanager
    def _placing_errors(self, at: int, name: str) -> Iterator[None]:
        """Say column and name in the errors of a function, which does not know where it stands."""
        try:
            yield
        except UsageError as error:
            where = error.where or f"{column(self._text, at)}, {name}"
            raise type(error)(error.message, where=where, hint=error.hint) from error

    def _expected(self, expected: str, hint: str | None = None) -> NoReturn:
        word = self._token.text.lower()
        if self._token.kind == "atom" and word in RESERVED:
            hint = f"{word} is written in lower case"
        elif self._token.kind == "interval":
            hint = "an interval is written without spaces, as 18..65"
        elif self._is("<", ">"):
            hint = 'what an atom cannot hold stands in a string, as "9:22098574:A:<DEL>"'
        self._fail(f"expected {expected}, found {self._token}", hint)

    def _fail(self, message: str, hint: str | None = None) -> NoReturn:
        raise UsageError(message, where=column(self._text, self._token.at), hint=hint)
