-- Where and what in at most 30 characters of the text, and its times, places, wishes and contacts as a JSON list.
ALTER TABLE tickets ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN facts TEXT NOT NULL DEFAULT '[]';
