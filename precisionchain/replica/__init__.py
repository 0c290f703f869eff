"""The local columnar read model of the ledger: rebuildable, never the truth."""
