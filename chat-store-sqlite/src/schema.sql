-- Version 1. Rooms are known to the log by a number, for three indexes carry it.
-- Times are microseconds since 1970; ids are the 16 bytes of a UUID.

CREATE TABLE room (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    epoch      BLOB    NOT NULL,
    head       INTEGER NOT NULL,        -- the seq of the newest entry
    created_at INTEGER NOT NULL
) STRICT;

-- Keyed by the room's id and not its number, so that both lists come out of an index in order.
CREATE TABLE member (
    user TEXT NOT NULL,
    room TEXT NOT NULL,
    PRIMARY KEY (user, room)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_by_room ON member (room, user);

-- In order of arrival: clustered by room it takes 2.7 times as long to write.
CREATE TABLE entry (
    arrival   INTEGER PRIMARY KEY,
    room      INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    author    TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    kind      INTEGER NOT NULL,         -- 0 message, 1 edit, 2 delete, 3 deleted, 4 joined, 5 left
    target    INTEGER,                  -- the seq that an edit or a delete is about
    text      TEXT,                     -- of a message or an edit
    member    TEXT,                     -- who joined or left
    edited_at INTEGER
) STRICT;
CREATE UNIQUE INDEX entry_by_seq ON entry (room, seq);
CREATE UNIQUE INDEX entry_by_client_id ON entry (room, author, client_id);
CREATE UNIQUE INDEX entry_by_id ON entry (id);
CREATE INDEX edit_by_target ON entry (room, target) WHERE kind = 1;

CREATE TABLE receipt (
    room      INTEGER NOT NULL,
    user      TEXT    NOT NULL,
    delivered INTEGER NOT NULL,
    read      INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
