"""The two entries of a question, alone and while another process publishes a large batch.

One embedded ledger: the other process publishes chunks as large as one publish takes, without a
pause. A question's time is that of its evaluation (nothing), its two durable writes, and the gate.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import PROJECT, Latency, precisionchain, quantiles, run
from benchmarks.report import Figure, seconds
from precisionchain.access.evaluated import evaluated_value
from precisionchain.opened import OpenSite

QUESTIONS = 400
ENTRY_BAR = "one entry < 60 ms at p99"

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
        Item("BATCH_1", (f"b:{batch.hex()[:32]}",), ItemClass.BATCH, opened.signer.public_key,
             batch, ordinal, Payload("leaf-page", Codec.RAW, body))
        for ordinal in range(limits.max_items_per_publish)
    ]
    opened.ledger.publish(opened.ledger.prepare(items))
"""


def measure(_shared: Path, work: Path, _repeats: int) -> tuple[list[Figure], dict[str, Any]]:
    """Return the latency of a question's entries, quiet and beside a publication."""
    site = work / "logged"
    run(precisionchain("init", site, "--site", "A", "--build", "GRCh37"))
    opened = OpenSite(site)
    quiet = _asked(opened)
    command = [sys.executable, "-c", _PUBLISHER, str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT) as publisher:
        assert publisher.stdout is not None
        publisher.stdout.readline()
        before, began = opened.ledger.head().position, time.perf_counter()
        beside = _asked(opened)
        rate = (opened.ledger.head().position - before) / (time.perf_counter() - began)
        publisher.kill()
    opened.close()
    figures = [
        Figure("entries of a question, p50", seconds(quiet.p50), "", None, ""),
        Figure("entries of a question, p99", seconds(quiet.p99), "", None, ""),
        Figure("the same beside a publication, p50", seconds(beside.p50), "", None, ""),
        Figure("the same beside a publication, p99", seconds(beside.p99), "", None, ENTRY_BAR),
    ]
    details = {"quiet": asdict(quiet), "beside": asdict(beside), "items_per_second": rate}
    return figures, details


def _asked(opened: OpenSite) -> Latency:
    """Ask questions that take no evaluation, a little apart, and return what they took."""
    gate = opened.gate()
    answer = evaluated_value(1, contributed={"A": range(100)})
    taken = []
    for number in range(QUESTIONS):
        question = {"number": number, "text": secrets.token_hex(16)}
        began = time.perf_counter()
        gate.ask("domain", "clinical", question, lambda: answer)
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    return quantiles(taken)
