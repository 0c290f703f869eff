"""What tests share: ledgers, builders and oracles."""
