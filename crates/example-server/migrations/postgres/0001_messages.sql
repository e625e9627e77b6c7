-- References are checked at the commit: a message is written first, since only a new one touches the other tables.

CREATE TABLE customers (
    id         uuid        NOT NULL PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE message_bodies (
    hash    text NOT NULL PRIMARY KEY,
    snippet text NOT NULL,
    body    text NOT NULL
);

-- Addresses and keys compare by their bytes (COLLATE "C"), as in the program that orders them.
-- The id is derived from customer, channel and participants, so that it being unique makes these unique.
CREATE TABLE conversations (
    id               uuid        NOT NULL PRIMARY KEY,
    customer_id      uuid        NOT NULL REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED,
    channel          text        NOT NULL CHECK (channel IN ('sms', 'email')),
    key              text        NOT NULL,
    participant_a    text        NOT NULL COLLATE "C",
    participant_b    text        NOT NULL COLLATE "C",
    message_count    bigint      NOT NULL,
    last_activity_at timestamptz NOT NULL
);

CREATE INDEX conversations_by_activity ON conversations (last_activity_at DESC, id DESC);

CREATE TABLE messages (
    id              uuid        NOT NULL PRIMARY KEY,
    customer_id     uuid        NOT NULL REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED,
    channel         text        NOT NULL CHECK (channel IN ('sms', 'email')),
    idempotency_key text        NOT NULL COLLATE "C",
    conversation_id uuid        NOT NULL REFERENCES conversations (id) DEFERRABLE INITIALLY DEFERRED,
    body_hash       text        NOT NULL REFERENCES message_bodies (hash) DEFERRABLE INITIALLY DEFERRED,
    sender          smallint    NOT NULL CHECK (sender IN (0, 1)),
    from_address    text        NOT NULL,
    to_address      text        NOT NULL,
    subject         text,
    sent_at         timestamptz NOT NULL,
    metadata        jsonb,
    unknown_fields  jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (customer_id, channel, idempotency_key)
);

CREATE INDEX messages_by_time ON messages (conversation_id, sent_at, id);
