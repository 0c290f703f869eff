"""What things are: types, records, items, payloads and names. Nothing here reads or writes."""
