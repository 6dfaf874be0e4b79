-- Questions to which config/answers has no answer, the newest only.
CREATE TABLE unanswered (
    id       INTEGER PRIMARY KEY,
    call     TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    question TEXT    NOT NULL
) STRICT;
