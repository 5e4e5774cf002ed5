-- Version 5. The user to whom each look of a name belongs, for servers that let in only one of them.

CREATE TABLE look (
    look TEXT PRIMARY KEY,
    user TEXT NOT NULL
) STRICT, WITHOUT ROWID;
