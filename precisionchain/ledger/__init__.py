"""Append-only streams under one contract, and who may write to them."""
