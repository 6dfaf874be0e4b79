-- Hearing beside the calls. What waits to be heard is what the tickets say: text pending, or not heard again yet. Here
-- stands who has an utterance, and what came of it.
CREATE TABLE hearings (
    call    TEXT NOT NULL,
    idx     INTEGER NOT NULL,
    -- text: it has none yet; correction: a better model hears it again.
    work TEXT NOT NULL,
    -- waiting: for another try, from due on; leased: to worker, until due; heard: text is there, with its words and how it was heard, as in segments, for the ticket to take;
    -- given_up: for reason.
    state   TEXT NOT NULL,
    due     INTEGER NOT NULL,
    worker  TEXT NOT NULL,
    -- How often somebody began: a recording that ends its hearer is given up too.
    tries   INTEGER NOT NULL,
    text    TEXT,
    words   TEXT,
    hearing TEXT,
    reason  TEXT,
    PRIMARY KEY (call, idx),
    FOREIGN KEY (call, idx) REFERENCES segments (call, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX hearings_leased ON hearings (worker) WHERE state = 'leased';

-- The texts that an utterance got after its call, and what it had before: only added to.
CREATE TABLE texts (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    call  TEXT NOT NULL,
    idx   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    -- Empty where nobody knows any more.
    model TEXT NOT NULL,
    text  TEXT NOT NULL,
    -- filed: it stood in the ticket; pending: it was missing there; correction: a better model heard it.
    why   TEXT NOT NULL,
    FOREIGN KEY (call, idx) REFERENCES segments (call, idx)
) STRICT;
CREATE INDEX texts_of ON texts (call, idx, id);

-- Tries are counted for each utterance now; the most urgent ticket comes first.
DROP INDEX tickets_text_pending;
ALTER TABLE tickets DROP COLUMN hearing_tries;
ALTER TABLE tickets DROP COLUMN hearing_due;
CREATE INDEX tickets_text_pending
    ON tickets ((CASE urgency WHEN 'urgent' THEN 0 WHEN 'soon' THEN 1 ELSE 2 END), id) WHERE text_state = 'pending';

-- When a better model had heard all of it again.
ALTER TABLE tickets ADD COLUMN reheard INTEGER;
CREATE INDEX tickets_unreheard ON tickets (id) WHERE reheard IS NULL;
