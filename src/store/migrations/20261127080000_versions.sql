-- What calls follow, by content: each version once, its files' names and hashes as JSON; the contents lie beside the
-- database, under versions/.
CREATE TABLE versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hash   TEXT NOT NULL UNIQUE,
    saved  INTEGER NOT NULL,
    author TEXT NOT NULL,
    note   TEXT NOT NULL,
    files  TEXT NOT NULL
) STRICT;

-- When a version became, will become, or did not become the one that new calls follow.
CREATE TABLE activations (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL REFERENCES versions (number),
    due     INTEGER NOT NULL,
    -- waiting, taken, refused, withdrawn.
    state   TEXT NOT NULL,
    author  TEXT NOT NULL,
    note    TEXT NOT NULL,
    -- Why it was refused.
    why     TEXT,
    -- The version that the configuration folder held when this one was taken.
    folder  TEXT
) STRICT;
CREATE INDEX activations_waiting ON activations (due) WHERE state = 'waiting';

-- The version that the call followed, and how it went through it (see ivr::journal).
ALTER TABLE calls ADD COLUMN version TEXT;
ALTER TABLE calls ADD COLUMN journal TEXT;
CREATE INDEX calls_began ON calls (began);
