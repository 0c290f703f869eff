"""Not logged, not answered: whatever fails, and wherever, no answer leaves without its entries."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from precisionchain.access.entries import Failed, Refused, Request, outcome_batch
from precisionchain.access.entry_bodies import ResultPart, Sealing, Stored, encode_outcome
from precisionchain.access.evaluated import Evaluated, evaluated_value
from precisionchain.access.gate import Gate
from precisionchain.access.sealing import LogKey
from precisionchain.errors import (
    AccessRefusedError,
    CodecError,
    ConflictError,
    LedgerUnavailableError,
    UnknownPersonError,
    UnknownStreamError,
)
from precisionchain.ledger.base import Ledger, Prepared, Receipt
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.signing import Signer
from tests.lib.access_entries import read_entries
from tests.lib.audited_network import KnownUser
from tests.lib.faulty_ledger import Fault, FaultyLedger
from tests.lib.memory_ledger import MemoryLedger

PROJECT_ROOT = Path(__file__).resolve().parents[2]
NETWORK = bytes(range(32))
USER = Signer(bytes([1]) * 32)
NO_PAUSE = (0.0, 0.0)
QUESTION = {"concept": 201826}
PATIENT_VALUE = "Yersinia pestis of person 4711"


class Evaluation:
    """An evaluation that counts its calls and looks at the ledger while it runs."""

    def __init__(self, ledger: Ledger, act: Callable[[], object] | None = None) -> None:
        self.ledger, self.act = ledger, act
        self.calls = 0
        self.logged_before: list[Stored] = []

    def __call__(self) -> Evaluated[str]:
        self.calls += 1
        self.logged_before = entries(self.ledger)
        if self.act is not None:
            self.act()
        return evaluated_value("the answer", contributed={"A": [4711]})


def entries(ledger: Ledger) -> list[Stored]:
    return read_entries(ledger, USER)


def kinds(ledger: Ledger) -> list[str]:
    return [type(entry).__name__ for entry in entries(ledger)]


def gate_on(ledger: Ledger) -> Gate:
    known = KnownUser("ada", USER.public)
    return Gate(ledger, NETWORK, "ada", USER, membership=known, pauses=NO_PAUSE)


def ask(gate: Gate, evaluate: Callable[[], Evaluated[str]]) -> str:
    return gate.ask("domain", "clinical", QUESTION, evaluate, position=7)


@pytest.fixture
def ledger() -> MemoryLedger:
    memory = MemoryLedger()
    memory.create_stream("ACCESS_1")
    return memory


# ------------------------------------------------------------------------------ the four outcomes


def test_the_request_is_there_before_evaluation_and_the_result_before_the_answer(
    ledger: MemoryLedger,
) -> None:
    evaluate = Evaluation(ledger)
    assert ask(gate_on(ledger), evaluate) == "the answer"
    (request,) = evaluate.logged_before
    assert isinstance(request, Request)
    assert (request.user, request.user_key) == ("ada", USER.public_key)
    assert (request.operation, request.data) == ("domain", "clinical")
    assert (request.question, request.position) == (QUESTION, 7)
    again, result = entries(ledger)
    assert again == request
    assert isinstance(result, ResultPart)
    assert (result.question_id, result.rows) == (request.question_id, 1)
    assert result.lists["contributed", "A"] == [["4711"]]


@pytest.mark.parametrize("error", [AccessRefusedError, UnknownPersonError])
def test_a_refusal_is_logged_by_its_class(
    ledger: MemoryLedger, error: type[AccessRefusedError]
) -> None:
    def refuse() -> None:
        raise error(PATIENT_VALUE)

    with pytest.raises(error):
        ask(gate_on(ledger), Evaluation(ledger, refuse))
    _, refused = entries(ledger)
    assert isinstance(refused, Refused)
    assert refused.error == error.__name__
    assert refused.message == (error.__doc__ or "").strip()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, CodecError])
def test_a_failure_is_logged_by_its_class(ledger: MemoryLedger, error: type[BaseException]) -> None:
    def fail() -> None:
        raise error(PATIENT_VALUE)

    with pytest.raises(error):
        ask(gate_on(ledger), Evaluation(ledger, fail))
    _, failed = entries(ledger)
    assert isinstance(failed, Failed)
    assert failed.error == error.__name__


def test_no_value_of_a_person_is_in_any_entry(ledger: MemoryLedger) -> None:
    for error in (AccessRefusedError, UnknownPersonError, ValueError):

        def fail(error: type[Exception] = error) -> None:
            raise error(PATIENT_VALUE)

        with pytest.raises(error):
            ask(gate_on(ledger), Evaluation(ledger, fail))
    stored = b"".join(found.item.stored for found in ledger.items("ACCESS_1"))
    assert b"refused" in stored  # in clear: the search below could find something
    assert b"pestis" not in stored
    assert b"4711" not in stored


def test_an_answer_that_cannot_be_described_is_a_failure(ledger: MemoryLedger) -> None:
    def evaluate() -> Evaluated[str]:
        return Evaluated("the answer", 1, "", {"A": [2**70]})  # type: ignore[dict-item]

    with pytest.raises(OverflowError):
        ask(gate_on(ledger), evaluate)
    assert kinds(ledger) == ["Request", "Failed"]


# ------------------------------------------------------------------------------------- no ledger


class DeadLedger(FaultyLedger):
    """Every publish from the n-th on fails."""

    def publish(self, prepared: Prepared) -> Receipt:
        self.writes += 1
        if self.writes > self.fail_at:
            raise LedgerUnavailableError("fault: no ledger")
        return self.inner.publish(prepared)


def test_without_a_request_nothing_is_evaluated(ledger: MemoryLedger) -> None:
    evaluate = Evaluation(ledger)
    with pytest.raises(LedgerUnavailableError, match="not answered"):
        ask(gate_on(DeadLedger(ledger)), evaluate)
    assert evaluate.calls == 0
    assert entries(ledger) == []


def test_without_a_result_nothing_is_released(ledger: MemoryLedger) -> None:
    evaluate = Evaluation(ledger)
    with pytest.raises(LedgerUnavailableError, match="not released"):
        ask(gate_on(DeadLedger(ledger, fail_at=1)), evaluate)
    assert evaluate.calls == 1
    assert kinds(ledger) == ["Request"]


def test_a_log_that_cannot_be_written_does_not_hide_the_first_error(ledger: MemoryLedger) -> None:
    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first") as caught:
        ask(gate_on(DeadLedger(ledger, fail_at=1)), Evaluation(ledger, fail))
    assert any("access log" in note for note in caught.value.__notes__)
    assert kinds(ledger) == ["Request"]


def test_a_network_without_a_log_answers_nothing() -> None:
    evaluate = Evaluation(MemoryLedger())
    with pytest.raises(UnknownStreamError):
        ask(gate_on(evaluate.ledger), evaluate)
    assert evaluate.calls == 0


def test_a_closed_ledger_answers_nothing(ledger: MemoryLedger) -> None:
    ledger.close()
    evaluate = Evaluation(ledger)
    with pytest.raises(LedgerUnavailableError):
        ask(gate_on(ledger), evaluate)
    assert evaluate.calls == 0


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "ledger.sqlite"
    made = EmbeddedLedger.create(path, Signer(bytes([2]) * 32))
    made.create_stream("ACCESS_1")
    made.close()
    yield path
    path.chmod(0o600)


@pytest.mark.parametrize("how", ["opened for reading", "file made read-only while open"])
def test_a_read_only_ledger_answers_nothing(embedded: Path, how: str) -> None:
    signer = None if how == "opened for reading" else Signer(bytes([2]) * 32)
    ledger = EmbeddedLedger(embedded, signer)
    if how != "opened for reading":
        ledger._connection.execute("PRAGMA query_only = on")  # root may write any file
    evaluate = Evaluation(ledger)
    with pytest.raises(LedgerUnavailableError):
        ask(gate_on(ledger), evaluate)
    assert evaluate.calls == 0
    assert entries(ledger) == []
    ledger.close()


# ------------------------------------------------------------------------- each write, both ways


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("write", [0, 1])
def test_a_write_that_fails_once_is_repeated_with_the_same_bytes(
    ledger: MemoryLedger, fault: Fault, write: int
) -> None:
    faulty = FaultyLedger(ledger, fault, write)
    evaluate = Evaluation(ledger)
    assert ask(gate_on(faulty), evaluate) == "the answer"
    assert faulty.writes == 3
    assert evaluate.calls == 1
    assert kinds(ledger) == ["Request", "ResultPart"]


@pytest.mark.parametrize("write", [0, 1])
def test_an_entry_whose_answer_is_lost_every_time_is_there_once(
    ledger: MemoryLedger, write: int
) -> None:
    class Mute(FaultyLedger):
        def publish(self, prepared: Prepared) -> Receipt:
            receipt = self.inner.publish(prepared)
            self.writes += 1
            if self.writes > self.fail_at:
                raise LedgerUnavailableError("fault: the answer was lost")
            return receipt

    evaluate = Evaluation(ledger)
    with pytest.raises(LedgerUnavailableError):
        ask(gate_on(Mute(ledger, fail_at=write)), evaluate)
    assert evaluate.calls == write
    assert kinds(ledger) == ["Request", "ResultPart"][: write + 1]


def test_the_ledger_refuses_a_second_outcome(ledger: MemoryLedger) -> None:
    """Entries' batch ids follow from the question: nobody can say afterwards that it failed."""
    ask(gate_on(ledger), Evaluation(ledger))
    (_, result) = entries(ledger)
    assert isinstance(result, ResultPart)
    name = result.question_id
    sealing = Sealing(USER, LogKey.of(USER, [USER.encryption_key]))
    again = [
        (outcome_batch(name), payload) for payload in encode_outcome(Failed(name, "X"), sealing)
    ]
    with pytest.raises(ConflictError):
        gate_on(ledger)._publish(again, name)
    assert kinds(ledger) == ["Request", "ResultPart"]


# -------------------------------------------------------------------------------- killed programs

ASKING = """
    import os, signal, sys
    from pathlib import Path
    from precisionchain.access.evaluated import evaluated_value
    from precisionchain.access.gate import Gate
    from precisionchain.ledger.embedded import EmbeddedLedger
    from precisionchain.ledger.signing import Signer
    from tests.lib.audited_network import KnownUser

    ledger = EmbeddedLedger(Path(sys.argv[1]), Signer(bytes([2]) * 32))
    user = Signer(bytes([1]) * 32)
    known = KnownUser("ada", user.public)
    gate = Gate(ledger, bytes(range(32)), "ada", user, membership=known)

    def evaluate():
        {death}
        return evaluated_value("the answer")

    print(gate.ask("domain", "clinical", {{"concept": 1}}, evaluate))
"""
DEATHS = {
    "exit": "os._exit(9)",
    "kill": "os.kill(os.getpid(), signal.SIGKILL)",
    "interrupt": "raise KeyboardInterrupt",
    "none": "pass",
}


@pytest.mark.parametrize(
    ("death", "left"),
    [
        ("exit", ["Request"]),
        ("kill", ["Request"]),
        ("interrupt", ["Request", "Failed"]),
        ("none", ["Request", "ResultPart"]),
    ],
)
def test_what_a_death_between_request_and_result_leaves(
    embedded: Path, death: str, left: list[str]
) -> None:
    program = textwrap.dedent(ASKING).format(death=DEATHS[death])
    done = subprocess.run(
        [sys.executable, "-c", program, str(embedded)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout == "the answer\n") == (death == "none")
    assert death != "kill" or done.returncode == -signal.SIGKILL
    ledger = EmbeddedLedger(embedded)
    assert kinds(ledger) == left
    assert list(ledger.findings()) == []
    ledger.close()
