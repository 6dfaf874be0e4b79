-- What happened to a ticket after it was filed (dispatch to closing). Tickets that were filed before have no case.
CREATE TABLE case_events (
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    via    TEXT NOT NULL,
    kind   TEXT NOT NULL,
    -- The event with its kind and particulars, as JSON.
    event  TEXT NOT NULL,
    PRIMARY KEY (ticket, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER case_events_stay BEFORE UPDATE ON case_events
BEGIN SELECT RAISE(ABORT, 'a case''s log is only added to'); END;
CREATE TRIGGER case_events_are_kept BEFORE DELETE ON case_events
BEGIN SELECT RAISE(ABORT, 'a case''s log is only added to'); END;

-- What the events add up to, for whoever looks for cases; the log decides.
CREATE TABLE cases (
    ticket   INTEGER PRIMARY KEY REFERENCES tickets (id),
    state    TEXT NOT NULL,
    -- The unit in charge.
    lead     TEXT,
    since    INTEGER NOT NULL,
    -- When a rule has to look next; NULL: not before something happens.
    due      INTEGER,
    seq      INTEGER NOT NULL,
    callback TEXT NOT NULL
) STRICT;
CREATE INDEX cases_state ON cases (state, ticket);
CREATE INDEX cases_due ON cases (due) WHERE due IS NOT NULL;
