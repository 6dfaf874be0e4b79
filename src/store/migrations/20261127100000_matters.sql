-- Reports of one matter: a burst pipe, a caller who calls again. People merge and split them, and their word stays.
CREATE TABLE matters (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Made of what the reports say; empty until somebody has read them.
    title   TEXT NOT NULL DEFAULT '',
    -- Of its tickets, kept up to date: how many, when the first and the last of their calls began.
    count   INTEGER NOT NULL DEFAULT 0,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    -- When there were last abnormally many, how many within how many hours, and how many would be normal.
    alarmed INTEGER,
    alarm   TEXT,
    -- A person found that it is the same as this one; it has no tickets any more.
    merged  INTEGER REFERENCES matters (id)
) STRICT;
CREATE INDEX matters_large ON matters (count, last);

-- What people did to them, in words.
CREATE TABLE matter_changes (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    matter INTEGER NOT NULL REFERENCES matters (id),
    at     INTEGER NOT NULL,
    author TEXT NOT NULL,
    change TEXT NOT NULL
) STRICT;
CREATE INDEX matter_changes_of ON matter_changes (matter, id);

ALTER TABLE tickets ADD COLUMN matter INTEGER REFERENCES matters (id);
-- When it was compared with the others; NULL: it waits for that.
ALTER TABLE tickets ADD COLUMN gathered INTEGER;
-- The same caller's earlier ticket of the same matter (art. 11 (3)).
ALTER TABLE tickets ADD COLUMN repeats INTEGER REFERENCES tickets (id);
CREATE INDEX tickets_ungathered ON tickets (id) WHERE gathered IS NULL;
CREATE INDEX tickets_matter ON tickets (matter, began) WHERE matter IS NOT NULL;

-- What is normal: tickets by cell (a category in a district) and local day, counted in days since 1970; and by hour.
CREATE TABLE matter_days (
    cell  TEXT NOT NULL,
    day   INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (cell, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE matter_hours (
    hour  INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
