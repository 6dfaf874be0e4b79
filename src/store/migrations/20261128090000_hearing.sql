-- When each word of a segment's text was said, as a JSON list, and how the text came about (model, waits), as JSON.
-- NULL: not known, as for texts from before this was kept.
ALTER TABLE segments ADD COLUMN words TEXT;
ALTER TABLE segments ADD COLUMN hearing TEXT;
