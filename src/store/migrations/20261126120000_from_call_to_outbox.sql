-- Times are Unix milliseconds (UTC), spans milliseconds, paths relative to the state folder, JSON as text.
-- A new migration is a new file with a later time in its name; this one is never changed again.

CREATE TABLE calls (
    id       TEXT PRIMARY KEY,
    line     TEXT NOT NULL,
    caller   TEXT,
    display  TEXT,
    trunk    TEXT NOT NULL,
    began    INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    keys     TEXT NOT NULL DEFAULT '',
    ended    INTEGER,
    why      TEXT,
    -- 1: it has its ticket, or nothing was said or keyed.
    settled  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_unsettled ON calls (began) WHERE settled = 0;
CREATE INDEX calls_open ON calls (began) WHERE ended IS NULL;

CREATE TABLE segments (
    call     TEXT NOT NULL REFERENCES calls (id),
    idx      INTEGER NOT NULL,
    file     TEXT NOT NULL,
    duration INTEGER NOT NULL,
    speech   INTEGER NOT NULL,
    -- NULL: not recognised yet; empty: there is nothing to recognise.
    text     TEXT,
    error    TEXT,
    PRIMARY KEY (call, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE serials (
    day  TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    -- YYMMDDssssss, see ticket::Number::key: sorts as the numbers do.
    id           INTEGER PRIMARY KEY,
    -- The key that makes filing safe to repeat.
    call         TEXT NOT NULL UNIQUE REFERENCES calls (id),
    line         TEXT NOT NULL,
    caller       TEXT,
    how          TEXT NOT NULL,
    state        TEXT NOT NULL,
    began        INTEGER NOT NULL,
    opened       INTEGER NOT NULL,
    changed      INTEGER NOT NULL,
    keys         TEXT NOT NULL,
    text         TEXT,
    text_state   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    category1    TEXT NOT NULL,
    category2    TEXT NOT NULL,
    category3    TEXT NOT NULL,
    confidence   REAL NOT NULL,
    urgency      TEXT NOT NULL,
    unit         TEXT,
    place        TEXT,
    place_name   TEXT,
    district     TEXT,
    place_confidence REAL,
    evidence     TEXT NOT NULL,
    hints        TEXT NOT NULL,
    -- Background recognition: failures so far, and when it may be tried again.
    hearing_tries INTEGER NOT NULL DEFAULT 0,
    hearing_due   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tickets_caller ON tickets (caller, id) WHERE caller IS NOT NULL;
CREATE INDEX tickets_text_pending ON tickets (hearing_due) WHERE text_state = 'pending';

CREATE TABLE ticket_events (
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    event  TEXT NOT NULL,
    PRIMARY KEY (ticket, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER ticket_events_stay BEFORE UPDATE ON ticket_events
BEGIN SELECT RAISE(ABORT, 'a ticket''s history is only added to'); END;
CREATE TRIGGER ticket_events_are_kept BEFORE DELETE ON ticket_events
BEGIN SELECT RAISE(ABORT, 'a ticket''s history is only added to'); END;

CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    backend TEXT NOT NULL,
    ticket  INTEGER NOT NULL REFERENCES tickets (id),
    event   TEXT NOT NULL,
    key     TEXT NOT NULL,
    payload TEXT NOT NULL,
    state   TEXT NOT NULL DEFAULT 'waiting',
    tries   INTEGER NOT NULL DEFAULT 0,
    due     INTEGER NOT NULL,
    reason  TEXT,
    UNIQUE (backend, key)
) STRICT;
CREATE INDEX outbox_open ON outbox (backend, ticket, id) WHERE state <> 'sent';
CREATE INDEX outbox_due ON outbox (backend, due) WHERE state = 'waiting';
