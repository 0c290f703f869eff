"""The two entries of a question, alone and while another process publishes a large batch.

One embedded ledger: the other process publishes chunks as large as one publish takes, without a
pause. A question's time is that of its evaluation (nothing), its two durable writes, and the gate.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import PROJECT, Job, Latency, new_site, quantiles, spent
from benchmarks.report import Figure, answers
from precisionchain.access.evaluated import evaluated_value
from precisionchain.opened import OpenSite

QUESTIONS = 400
ENTRY_BAR = 0.06

_PUBLISHER = """
import secrets, sys
from pathlib import Path
from precisionchain.opened import OpenSite
from precisionchain.schemas.items import Codec, Item, ItemClass, Payload

opened = OpenSite(Path(sys.argv[1]))
limits = opened.ledger.limits
size = limits.max_publish_bytes // limits.max_items_per_publish - 256
print("ready", flush=True)
while True:
    batch, body = secrets.token_bytes(32), secrets.token_bytes(size)
    items = [
        Item("VISIT_0_1", (f"b:{batch.hex()[:32]}",), ItemClass.BATCH, opened.signer.public_key,
             batch, ordinal, Payload("leaf-page", Codec.RAW, body))
        for ordinal in range(limits.max_items_per_publish)
    ]
    opened.ledger.publish(opened.ledger.prepare(items))
"""


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the latency of a question's entries, quiet and beside a publication."""
    site = new_site(job.work / "logged")
    opened = OpenSite(site)
    quiet = _asked(opened, job.size(QUESTIONS, 40))
    with publishing(site):
        before, began = opened.ledger.head().position, time.perf_counter()
        beside = _asked(opened, job.size(QUESTIONS, 40))
        rate = (opened.ledger.head().position - before) / (time.perf_counter() - began)
    opened.close()
    figures = [
        *answers("entries of a question", quiet),
        *answers(f"the same beside {rate:,.0f} published items/s", beside, bars=(None, ENTRY_BAR)),
    ]
    details = {"quiet": asdict(quiet), "beside": asdict(beside), "items_per_second": rate}
    return figures, details


@contextmanager
def publishing(site: Path) -> Iterator[None]:
    """Let another process publish into a site, without a pause, chunks as large as one takes."""
    command = [sys.executable, "-c", _PUBLISHER, str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT) as publisher:
        assert publisher.stdout is not None
        publisher.stdout.readline()
        try:
            yield
        finally:
            publisher.kill()


def _asked(opened: OpenSite, questions: int) -> Latency:
    """Ask questions that take no evaluation, a little apart, and return what they took."""
    gate = opened.gate()
    answer = evaluated_value(1, contributed={"A": range(100)})
    taken = []
    for number in range(questions):
        question = {"number": number, "text": secrets.token_hex(16)}
        taken.append(spent(gate.ask, "domain", "clinical", question, lambda: answer)[0])
        time.sleep(0.005)
    return quantiles(taken)
