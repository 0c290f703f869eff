"""A local index of the access log: what searches read instead of the log. Never the truth.

A pure function of the ledger's bytes, made by ``build`` from the judgements of ``access.judge``,
kept by ``store`` and rebuilt whenever it is absent. Layout: ``docs/reference/access-log.md``.
"""
