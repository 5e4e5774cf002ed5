-- Version 6. Blocks of users by others: an older program would store messages between them.

CREATE TABLE block (
    by        TEXT    NOT NULL,
    user      TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    last_seen INTEGER,
    delivered INTEGER NOT NULL,
    read      INTEGER NOT NULL,
    PRIMARY KEY (by, user)
) STRICT, WITHOUT ROWID;

-- The users who have blocked one.
CREATE INDEX block_user ON block (user);
