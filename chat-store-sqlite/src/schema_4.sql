-- Version 4. The log of decisions about users and their logins.

CREATE TABLE decision (
    version   INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    author    TEXT    NOT NULL,         -- the user who decided
    via       TEXT    NOT NULL,
    address   TEXT,
    reason    TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    ruling    TEXT    NOT NULL,         -- as JSON
    until     INTEGER,                  -- when it ends by itself; null if it is never in force
    lifts     INTEGER                   -- the version that it ends
) STRICT;
CREATE UNIQUE INDEX decision_by_client_id ON decision (author, client_id);
CREATE INDEX decision_by_end ON decision (until, version) WHERE until IS NOT NULL;
CREATE INDEX decision_by_lifted ON decision (lifts) WHERE lifts IS NOT NULL;
