-- A known incident about which many call: who hears of it, until when, and the ticket to which theirs are linked.
CREATE TABLE incidents (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    text    TEXT NOT NULL,
    -- JSON lists: names of streets and districts, words (compounds, roads), first digits of callers' numbers.
    places  TEXT NOT NULL,
    words   TEXT NOT NULL,
    callers TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    closed  INTEGER,
    author  TEXT NOT NULL,
    ticket  INTEGER REFERENCES tickets (id)
) STRICT;
CREATE INDEX incidents_open ON incidents (until) WHERE closed IS NULL;

-- The caller wants to be added to it. On the call, so that whoever files its ticket links it.
ALTER TABLE calls ADD COLUMN incident INTEGER REFERENCES incidents (id);
ALTER TABLE tickets ADD COLUMN incident INTEGER REFERENCES incidents (id);
-- The incident's own ticket.
ALTER TABLE tickets ADD COLUMN parent INTEGER REFERENCES tickets (id);
CREATE INDEX tickets_incident ON tickets (incident) WHERE incident IS NOT NULL;
