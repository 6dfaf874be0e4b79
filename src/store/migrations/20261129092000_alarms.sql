-- Tickets that a person has to be told of by telephone: a row waits until somebody takes the ticket. Whoever files or
-- understands an urgent ticket adds it in the same transaction, so none is forgotten.
CREATE TABLE alarms (
    ticket INTEGER PRIMARY KEY REFERENCES tickets (id),
    since  INTEGER NOT NULL,
    -- Not before this.
    due    INTEGER NOT NULL,
    -- Numbers called so far, in all rounds.
    step   INTEGER NOT NULL DEFAULT 0,
    -- When nobody has to be called any more.
    ended  INTEGER
) STRICT;
CREATE INDEX alarms_open ON alarms (due) WHERE ended IS NULL;

-- Every call to a duty telephone, written before it is dialled.
CREATE TABLE duty_calls (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    ticket  INTEGER NOT NULL REFERENCES alarms (ticket),
    at      INTEGER NOT NULL,
    unit    TEXT NOT NULL,
    number  TEXT NOT NULL,
    -- NULL: it is under way, or the node fell over during it.
    outcome TEXT
) STRICT;
CREATE INDEX duty_calls_of ON duty_calls (ticket, id);
