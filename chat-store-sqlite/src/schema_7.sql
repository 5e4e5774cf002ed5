-- Version 7. Rooms are of a kind, have a maker and details, and know their newest message; members know when
-- they joined, and what they have set. Invitations.

ALTER TABLE room ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;        -- 0 direct, 1 group, 2 channel
ALTER TABLE room ADD COLUMN created_by TEXT;
ALTER TABLE room ADD COLUMN details TEXT NOT NULL DEFAULT '{}';     -- as JSON
ALTER TABLE room ADD COLUMN members INTEGER NOT NULL DEFAULT 0;     -- how many there are
ALTER TABLE room ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;    -- the newest message
ALTER TABLE room ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;   -- its time, or that of the room
-- Of a channel that is not archived, its name in lower case.
ALTER TABLE room ADD COLUMN listed_as TEXT;
-- Whether members read what came after they joined, and nothing else.
ALTER TABLE room ADD COLUMN from_joining INTEGER NOT NULL DEFAULT 0;
CREATE INDEX room_by_listing ON room (id, listed_as) WHERE listed_as IS NOT NULL;

ALTER TABLE member ADD COLUMN joined_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN joined_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;    -- 0 all, 1 mentions, 2 nothing
ALTER TABLE member ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN hidden_at INTEGER;                    -- the room's head when it was hidden
ALTER TABLE member ADD COLUMN muted_until INTEGER;

CREATE TABLE invite (
    id         BLOB PRIMARY KEY,
    room       TEXT    NOT NULL,
    token      TEXT    NOT NULL UNIQUE,
    author     TEXT    NOT NULL,
    role       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    uses_left  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX invite_by_room ON invite (room, id);

-- Groups from before show their whole history to all members, as they did.
UPDATE room SET
    kind = iif(instr(id, ',') > 0, 0, 1),
    details = iif(instr(id, ',') > 0, '{}', '{"settings":{"history":"all"}}'),
    members = (SELECT count(*) FROM member WHERE member.room = room.id),
    last_seq = ifnull((SELECT seq FROM entry WHERE entry.room = room.number AND kind = 0
                       ORDER BY seq DESC LIMIT 1), 0);
UPDATE room SET active_at = ifnull(
    (SELECT at FROM entry WHERE entry.room = room.number AND seq = last_seq), created_at);
UPDATE member SET joined_at = (SELECT created_at FROM room WHERE room.id = member.room);
UPDATE member SET (joined_seq, joined_at) = (joined.seq, joined.at)
FROM (
    SELECT room.id AS room, entry.member AS user, max(entry.seq) AS seq, entry.at AS at
    FROM entry JOIN room ON room.number = entry.room WHERE entry.kind = 4
    GROUP BY entry.room, entry.member
) AS joined
WHERE joined.room = member.room AND joined.user = member.user;
