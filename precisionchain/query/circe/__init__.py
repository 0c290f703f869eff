"""OHDSI cohort definitions (Circe's JSON): read where covered, and evaluated as Circe does."""
