-- What belongs to the whole installation and not to a tenant: the nodes that serve it, and secrets that they share.
-- A node is one run of a server; instants are microseconds of the database's own clock.

CREATE TABLE nodes (
    node    BIGINT NOT NULL PRIMARY KEY,
    address TEXT   NOT NULL,
    seen    BIGINT NOT NULL
);

CREATE TABLE secrets (
    name   TEXT NOT NULL PRIMARY KEY,
    secret BLOB NOT NULL
) WITHOUT ROWID;
