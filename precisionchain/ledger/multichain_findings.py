"""What is wrong with a MultiChain ledger as its node shows it: re-derived, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from precisionchain.ledger.base import Finding
from precisionchain.ledger.multichain_chain import Chain, ChainParameters
from precisionchain.ledger.multichain_index import NO_ITEM, ChainIndex
from precisionchain.ledger.multichain_rows import Transaction, position_of


def findings(chain: Chain, index: ChainIndex, parameters: ChainParameters) -> Iterator[Finding]:
    """Yield what differs between the index and the chain, and what is no item of ours."""
    if chain.is_isolated(parameters):
        yield Finding(
            "isolated", "the node has no peers: nothing on it is final until it has; see its log"
        )
    ours = frozenset(chain.streams())
    for row in index.odd_rows():
        if row.stream in ours and row.state == NO_ITEM:
            yield Finding("item", "the bytes are no item of ours", row.stream, row.position)
    last = index.last_block()
    for height in range(1 if last else 0, (last[0] if last else -1) + 1):
        known = index.block_hash(height)
        if known is None or chain.hash_at(height) != known:
            yield Finding("chain", "the chain has another block here", block=height)
            continue
        for place, transaction in chain.in_block(known):
            yield from _compared(index, height, place, transaction)


def _compared(
    index: ChainIndex, height: int, place: int, transaction: Transaction
) -> Iterator[Finding]:
    wanted = {
        position_of(height, place, item.vout): (item.stream, item.digest)
        for item in transaction.written
    }
    known = index.contents(transaction.txid)
    for position in sorted(wanted.keys() | known.keys()):
        if wanted.get(position) != known.get(position):
            stream = (wanted.get(position) or known[position])[0]
            yield Finding("index", "the local index is not what the chain holds", stream, position)
