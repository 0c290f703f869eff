"""The checks that ``verify`` runs, each on its own page."""
