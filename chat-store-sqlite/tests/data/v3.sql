-- A file of version 3, as that version wrote it.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1128808788;
PRAGMA user_version = 3;


CREATE TABLE room (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    epoch      BLOB    NOT NULL,
    head       INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE member (
    user TEXT NOT NULL,
    room TEXT NOT NULL,
    role INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (user, room)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_by_room ON member (room, user);

CREATE TABLE entry (
    arrival   INTEGER PRIMARY KEY,
    room      INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    author    TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    target    INTEGER,
    text      TEXT,
    member    TEXT,
    edited_at INTEGER,
    role      INTEGER
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

CREATE TABLE receipt_time (
    room INTEGER NOT NULL,
    user TEXT    NOT NULL,
    mark INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (room, user, mark, upto)
) STRICT, WITHOUT ROWID;

INSERT INTO room VALUES (1, 'team', x'0000000000000000000000000000000e', 6, 1600000000000000);
INSERT INTO member VALUES ('alice', 'team', 3), ('dave', 'team', 1);
INSERT INTO receipt VALUES (1, 'bob', 3, 2);
INSERT INTO entry VALUES
    (1, 1, 1, x'018bcfe5680070008000000000000001', 'alice', 'c1', 1700000000000001, 0, NULL, '李雷 🦀', NULL, 1700000000000003, NULL),
    (2, 1, 2, x'018bcfe5680070008000000000000002', 'bob', 'c1', 1700000000000002, 3, NULL, NULL, NULL, NULL, NULL),
    (3, 1, 3, x'018bcfe5680070008000000000000003', 'alice', 'c2', 1700000000000003, 1, 1, '李雷 🦀', NULL, NULL, NULL),
    (4, 1, 4, x'018bcfe5680070008000000000000004', 'bob', 'c2', 1700000000000004, 2, 2, NULL, NULL, NULL, NULL),
    (5, 1, 5, x'018bcfe5680070008000000000000005', 'alice', 'c3', 1700000000000005, 4, NULL, NULL, 'dave', NULL, 1),
    (6, 1, 6, x'018bcfe5680070008000000000000006', 'alice', 'c4', 1700000000000006, 5, NULL, NULL, 'bob', NULL, NULL);
