-- Large code systems, of all tenants. One that is being loaded has no time in `loaded` and is seen by nobody; its pieces come
-- one by one, and the commit that sets the time takes away the load before it. Instants are microseconds of the database's own clock.

CREATE TABLE code_systems (
    system   BIGINT  NOT NULL PRIMARY KEY,
    url      TEXT COLLATE "C" NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    about    TEXT COLLATE "C" NOT NULL,
    concepts BIGINT  NOT NULL,
    touched  BIGINT  NOT NULL,
    loaded   BIGINT
);

CREATE TABLE concept_pieces (
    system BIGINT NOT NULL,
    piece  BIGINT NOT NULL,
    bytes  BYTEA  NOT NULL,
    PRIMARY KEY (system, piece)
);
