-- Ids are UUIDs as hyphenated text, instants are microseconds since the Unix epoch, UTC.
-- "IF NOT EXISTS" since SQLite's migrations take no lock: two processes may begin with one file.

-- References are checked at once, and not deferred to the commit: while one is unmet, SQLite looks through all rows that
-- could refer to each row that it inserts.

CREATE TABLE IF NOT EXISTS customers (
    id         TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS message_bodies (
    hash    TEXT NOT NULL PRIMARY KEY,
    snippet TEXT NOT NULL,
    body    TEXT NOT NULL
) STRICT;

-- The id is derived from customer, channel and participants, so that it being unique makes these unique.
CREATE TABLE IF NOT EXISTS conversations (
    id               TEXT    NOT NULL PRIMARY KEY,
    customer_id      TEXT    NOT NULL REFERENCES customers (id),
    channel          TEXT    NOT NULL CHECK (channel IN ('sms', 'email')),
    key              TEXT    NOT NULL,
    participant_a    TEXT    NOT NULL,
    participant_b    TEXT    NOT NULL,
    message_count    INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS conversations_by_activity ON conversations (last_activity_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS messages (
    id              TEXT    NOT NULL PRIMARY KEY,
    customer_id     TEXT    NOT NULL REFERENCES customers (id),
    channel         TEXT    NOT NULL CHECK (channel IN ('sms', 'email')),
    idempotency_key TEXT    NOT NULL,
    conversation_id TEXT    NOT NULL REFERENCES conversations (id),
    body_hash       TEXT    NOT NULL REFERENCES message_bodies (hash),
    sender          INTEGER NOT NULL CHECK (sender IN (0, 1)),
    from_address    TEXT    NOT NULL,
    to_address      TEXT    NOT NULL,
    subject         TEXT,
    sent_at         INTEGER NOT NULL,
    metadata        TEXT,
    unknown_fields  TEXT,
    created_at      INTEGER NOT NULL,
    UNIQUE (customer_id, channel, idempotency_key)
) STRICT;

CREATE INDEX IF NOT EXISTS messages_by_time ON messages (conversation_id, sent_at, id);
