-- What people say a ticket should have been: kept beside what was filed, and learned from. NULL: nothing is said of it.
CREATE TABLE corrections (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    ticket   INTEGER NOT NULL REFERENCES tickets (id),
    at       INTEGER NOT NULL,
    author   TEXT NOT NULL,
    -- A path "one/two/three".
    category TEXT,
    kind     TEXT,
    urgency  TEXT
) STRICT;
CREATE INDEX corrections_ticket ON corrections (ticket, id);
