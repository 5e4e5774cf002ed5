-- Version 2. When receipts passed the entries of direct rooms: up to `upto` since `at`.

CREATE TABLE receipt_time (
    room INTEGER NOT NULL,
    user TEXT    NOT NULL,
    mark INTEGER NOT NULL,              -- 0 delivered, 1 read
    upto INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (room, user, mark, upto)
) STRICT, WITHOUT ROWID;

-- What was received before has the time of this step.
INSERT INTO receipt_time
SELECT room.number, user, mark, upto, CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM (SELECT room, user, 0 AS mark, delivered AS upto FROM receipt
      UNION ALL SELECT room, user, 1, read FROM receipt) AS passed
JOIN room ON room.number = passed.room
WHERE upto > 0 AND instr(room.id, ',') > 0;
