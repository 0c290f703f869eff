"""Questions as values, and their evaluation on the replica."""
