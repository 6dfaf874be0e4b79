-- What the caller's side gave along (User-to-User, RFC 7433), and what it gave as the reason of the end (RFC 3326).
ALTER TABLE calls ADD COLUMN user_to_user TEXT;
ALTER TABLE calls ADD COLUMN reason TEXT;
