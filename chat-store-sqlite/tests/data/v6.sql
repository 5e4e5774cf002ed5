-- A file of version 6, as that version wrote it.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1128808788;
PRAGMA user_version = 6;


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

CREATE TABLE decision (
    version   INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    author    TEXT    NOT NULL,
    via       TEXT    NOT NULL,
    address   TEXT,
    reason    TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    ruling    TEXT    NOT NULL,
    until     INTEGER,
    lifts     INTEGER
) STRICT;
CREATE UNIQUE INDEX decision_by_client_id ON decision (author, client_id);
CREATE INDEX decision_by_end ON decision (until, version) WHERE until IS NOT NULL;
CREATE INDEX decision_by_lifted ON decision (lifts) WHERE lifts IS NOT NULL;

CREATE TABLE look (
    look TEXT PRIMARY KEY,
    user TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE block (
    by        TEXT    NOT NULL,
    user      TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    last_seen INTEGER,
    delivered INTEGER NOT NULL,
    read      INTEGER NOT NULL,
    PRIMARY KEY (by, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_user ON block (user);

INSERT INTO look VALUES ('alice', 'alice');
INSERT INTO block VALUES
    ('alice', 'bob', 1700000000000003, 1700000000000002, 5, 4),
    ('alice', 'dave', 1700000000000004, NULL, 0, 0);
INSERT INTO decision VALUES
    (1, 1700000000000001, 'root', 'admin', '::1', 'spam', 'd1', '{"action":"ban","user":"bob","scope":"server","until":null}', 253402300799000000, NULL),
    (2, 1700000000000002, 'root', 'host', NULL, '', 'd2', '{"action":"revoke_token","jti":"t1","until":"2023-11-14T22:13:20.000003Z"}', 1700000000000003, NULL),
    (3, 1700000000000003, 'root', 'admin', NULL, '', 'd3', '{"action":"lift","version":1}', NULL, 1);
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
