"""The access log: every question is on the ledger before its answer is given."""
