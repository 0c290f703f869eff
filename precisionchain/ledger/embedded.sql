-- The embedded ledger, format 1. Rows are only ever added; the guards at the end say so to SQLite.
-- Text of this file is part of the format: `findings` compares it with what the ledger file holds.

CREATE TABLE streams (
    stream INTEGER PRIMARY KEY,          -- 1, 2, ... in order of creation
    name   TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE          -- case-folded: names differing in case are one name
) STRICT;

CREATE TABLE publishers (
    publisher  INTEGER PRIMARY KEY,      -- 1, 2, ...
    public_key BLOB NOT NULL UNIQUE
) STRICT;

-- A batch is known by the position of its first item.
CREATE TABLE batches (
    batch_id  BLOB NOT NULL,
    publisher INTEGER NOT NULL,
    batch     INTEGER NOT NULL,
    PRIMARY KEY (batch_id, publisher)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_names (
    key  INTEGER PRIMARY KEY,            -- 1, 2, ...
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE items (
    position     INTEGER PRIMARY KEY,    -- 0, 1, ... without gaps
    block        INTEGER NOT NULL,
    stream       INTEGER NOT NULL,
    batch        INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    stream_items INTEGER NOT NULL,       -- items and stored bytes of the stream up to this one,
    stream_bytes INTEGER NOT NULL,       -- so that its size is read off its newest item
    keys         BLOB NOT NULL,          -- u32 little-endian numbers of key_names, in key order
    stored       BLOB NOT NULL           -- last: the columns before it are read without it
) STRICT;

CREATE UNIQUE INDEX items_by_name ON items (batch, ordinal);

CREATE INDEX items_by_stream ON items (stream);

CREATE TABLE item_keys (
    stream   INTEGER NOT NULL,
    key      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (stream, key, position)
) STRICT, WITHOUT ROWID;

-- See blocks.py. A row closes its publish: what comes later belongs to a later block.
CREATE TABLE blocks (
    block     INTEGER PRIMARY KEY,       -- 0, 1, ...
    last      INTEGER NOT NULL,
    streams   INTEGER NOT NULL,
    time      INTEGER NOT NULL,
    root      BLOB NOT NULL,
    writer    BLOB NOT NULL,
    digest    BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- Guards against our own mistakes (not against whoever can write the file). Conflicts are refused
-- BEFORE INSERT, because INSERT OR REPLACE deletes the old row without asking a DELETE trigger
-- unless the connection has recursive_triggers on.

CREATE TRIGGER streams_no_update BEFORE UPDATE ON streams
BEGIN SELECT RAISE(ABORT, 'streams are append-only'); END;
CREATE TRIGGER streams_no_delete BEFORE DELETE ON streams
BEGIN SELECT RAISE(ABORT, 'streams are append-only'); END;
CREATE TRIGGER streams_append BEFORE INSERT ON streams
WHEN NEW.stream <> (SELECT coalesce(max(stream), 0) + 1 FROM streams)
    OR EXISTS (SELECT 1 FROM streams WHERE folded = NEW.folded)
BEGIN SELECT RAISE(ABORT, 'streams are append-only'); END;

CREATE TRIGGER publishers_no_update BEFORE UPDATE ON publishers
BEGIN SELECT RAISE(ABORT, 'publishers are append-only'); END;
CREATE TRIGGER publishers_no_delete BEFORE DELETE ON publishers
BEGIN SELECT RAISE(ABORT, 'publishers are append-only'); END;
CREATE TRIGGER publishers_append BEFORE INSERT ON publishers
WHEN NEW.publisher <> (SELECT coalesce(max(publisher), 0) + 1 FROM publishers)
    OR EXISTS (SELECT 1 FROM publishers WHERE public_key = NEW.public_key)
BEGIN SELECT RAISE(ABORT, 'publishers are append-only'); END;

CREATE TRIGGER batches_no_update BEFORE UPDATE ON batches
BEGIN SELECT RAISE(ABORT, 'batches are append-only'); END;
CREATE TRIGGER batches_no_delete BEFORE DELETE ON batches
BEGIN SELECT RAISE(ABORT, 'batches are append-only'); END;
CREATE TRIGGER batches_append BEFORE INSERT ON batches
WHEN NEW.batch <= (SELECT coalesce(max(position), -1) FROM items)
    OR EXISTS (SELECT 1 FROM batches WHERE batch_id = NEW.batch_id AND publisher = NEW.publisher)
BEGIN SELECT RAISE(ABORT, 'batches are append-only'); END;

CREATE TRIGGER key_names_no_update BEFORE UPDATE ON key_names
BEGIN SELECT RAISE(ABORT, 'key_names are append-only'); END;
CREATE TRIGGER key_names_no_delete BEFORE DELETE ON key_names
BEGIN SELECT RAISE(ABORT, 'key_names are append-only'); END;
CREATE TRIGGER key_names_append BEFORE INSERT ON key_names
WHEN NEW.key <> (SELECT coalesce(max(key), 0) + 1 FROM key_names)
    OR EXISTS (SELECT 1 FROM key_names WHERE name = NEW.name)
BEGIN SELECT RAISE(ABORT, 'key_names are append-only'); END;

CREATE TRIGGER items_no_update BEFORE UPDATE ON items
BEGIN SELECT RAISE(ABORT, 'items are append-only'); END;
CREATE TRIGGER items_no_delete BEFORE DELETE ON items
BEGIN SELECT RAISE(ABORT, 'items are append-only'); END;
CREATE TRIGGER items_append BEFORE INSERT ON items
WHEN NEW.position <> (SELECT coalesce(max(position), -1) + 1 FROM items)
    OR NEW.block <> (SELECT coalesce(max(block), -1) + 1 FROM blocks)
    OR EXISTS (SELECT 1 FROM items WHERE batch = NEW.batch AND ordinal = NEW.ordinal)
BEGIN SELECT RAISE(ABORT, 'items are append-only'); END;

CREATE TRIGGER item_keys_no_update BEFORE UPDATE ON item_keys
BEGIN SELECT RAISE(ABORT, 'item_keys are append-only'); END;
CREATE TRIGGER item_keys_no_delete BEFORE DELETE ON item_keys
BEGIN SELECT RAISE(ABORT, 'item_keys are append-only'); END;
-- A row is its own key, so replacing one within its publish changes nothing.
CREATE TRIGGER item_keys_append BEFORE INSERT ON item_keys
WHEN NEW.position <= (SELECT last FROM blocks ORDER BY block DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'item_keys are append-only'); END;

CREATE TRIGGER blocks_no_update BEFORE UPDATE ON blocks
BEGIN SELECT RAISE(ABORT, 'blocks are append-only'); END;
CREATE TRIGGER blocks_no_delete BEFORE DELETE ON blocks
BEGIN SELECT RAISE(ABORT, 'blocks are append-only'); END;
CREATE TRIGGER blocks_append BEFORE INSERT ON blocks
WHEN NEW.block <> (SELECT coalesce(max(block), -1) + 1 FROM blocks)
BEGIN SELECT RAISE(ABORT, 'blocks are append-only'); END;
