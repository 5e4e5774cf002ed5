-- Version 3. Members have roles: 0 reader, 1 member, 2 moderator, 3 owner. Entries that join a member or
-- change a role hold it; those from before have none, which is a member's.

ALTER TABLE member ADD COLUMN role INTEGER NOT NULL DEFAULT 1;
ALTER TABLE entry ADD COLUMN role INTEGER;

-- A group belongs to the member who has been in it for longest; of its first members, whose order is not
-- known, to the first by name.
UPDATE member SET role = 3 WHERE (user, room) IN (
    SELECT user, room FROM (
        SELECT member.user, member.room, row_number() OVER (
            PARTITION BY member.room ORDER BY ifnull(joined.seq, 0), member.user
        ) AS place
        FROM member JOIN room ON room.id = member.room
        LEFT JOIN (
            SELECT room, member AS user, max(seq) AS seq FROM entry WHERE kind = 4 GROUP BY room, member
        ) AS joined ON joined.room = room.number AND joined.user = member.user
        WHERE instr(member.room, ',') = 0
    ) WHERE place = 1
);
