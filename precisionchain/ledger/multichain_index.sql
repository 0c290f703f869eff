-- What one program knows of a MultiChain: rows derived from final blocks, and the transactions this
-- site signed. Everything but `signed` can be derived again from the node.

CREATE TABLE chain (genesis BLOB NOT NULL, depth INTEGER NOT NULL) STRICT;

CREATE TABLE blocks (
    height INTEGER PRIMARY KEY, hash BLOB NOT NULL, time INTEGER NOT NULL
) STRICT;

-- state: 0 an item; 1 bytes that are no item of ours; 2 the same item once more.
CREATE TABLE items (
    position INTEGER PRIMARY KEY, txid BLOB NOT NULL, stream TEXT NOT NULL, keys TEXT NOT NULL,
    address TEXT NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL, state INTEGER NOT NULL,
    publisher BLOB, batch BLOB, ordinal INTEGER, small BLOB
) STRICT;
CREATE INDEX items_by_stream ON items (stream, position, size);
CREATE INDEX items_by_name ON items (batch, publisher, ordinal) WHERE batch IS NOT NULL;
CREATE INDEX items_by_transaction ON items (txid);

CREATE TABLE item_keys (
    stream TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (stream, key, position)
) STRICT, WITHOUT ROWID;

-- Which final transaction spent an output: how an unanswered one is known to be dead.
CREATE TABLE spent (
    txid BLOB NOT NULL, vout INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (txid, vout)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_position ON spent (position);

-- Transactions signed here, to be sent or sent, and not final yet.
CREATE TABLE signed (txid BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE signed_items (
    txid BLOB NOT NULL, nth INTEGER NOT NULL, publisher BLOB NOT NULL, batch BLOB NOT NULL,
    ordinal INTEGER NOT NULL, stream TEXT NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (txid, nth)
) STRICT, WITHOUT ROWID;
CREATE INDEX signed_by_name ON signed_items (batch, publisher, ordinal);
