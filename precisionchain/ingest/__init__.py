"""From input files to sealed batches: stage, validate, encode, route, publish."""
