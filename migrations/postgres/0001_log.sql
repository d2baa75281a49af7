-- The log and what must be decided in the same commit. Every key begins with the tenant; instants are microseconds.
-- Text is compared byte by byte (COLLATE "C"), as SQLite does; bodies come compressed, so the server need not try.

CREATE TABLE tenants (
    tenant BIGINT NOT NULL PRIMARY KEY,
    name   TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE heads (
    tenant  BIGINT NOT NULL PRIMARY KEY,
    seq     BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE versions (
    tenant  BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    type    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    kind    BIGINT NOT NULL,
    tx      BIGINT NOT NULL,
    body    BYTEA,
    PRIMARY KEY (tenant, seq)
);
ALTER TABLE versions ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX versions_type ON versions (tenant, type, seq);

CREATE TABLE current (
    tenant  BIGINT  NOT NULL,
    type    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    seq     BIGINT  NOT NULL,
    version BIGINT  NOT NULL,
    updated BIGINT  NOT NULL,
    deleted BOOLEAN NOT NULL,
    digest  BYTEA   NOT NULL,
    PRIMARY KEY (tenant, type, id)
);

CREATE TABLE superseded (
    tenant  BIGINT NOT NULL,
    type    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    PRIMARY KEY (tenant, type, id, version)
);

CREATE TABLE type_heads (
    tenant   BIGINT NOT NULL,
    type     TEXT COLLATE "C" NOT NULL,
    seq      BIGINT NOT NULL,
    versions BIGINT NOT NULL,
    PRIMARY KEY (tenant, type)
);

CREATE TABLE identifiers (
    tenant BIGINT NOT NULL,
    type   TEXT COLLATE "C" NOT NULL,
    hash   BIGINT NOT NULL,
    id     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, type, hash, id)
);
-- An update asks which identifiers its resource had.
CREATE INDEX identifiers_holder ON identifiers (tenant, type, id);

-- Spans of one subject never overlap, so their ends are as unique as their starts; keyed by the end, a search for
-- overlaps begins at the first span that is not over yet.
CREATE TABLE claims (
    tenant      BIGINT NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    ends        BIGINT NOT NULL,
    starts      BIGINT NOT NULL,
    holder_type TEXT COLLATE "C" NOT NULL,
    holder_id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, subject, ends),
    CHECK (starts < ends)
);
CREATE INDEX claims_holder ON claims (tenant, holder_type, holder_id);

CREATE TABLE jobs (
    tenant      BIGINT  NOT NULL,
    id          TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    payload     BYTEA   NOT NULL,
    due         BIGINT  NOT NULL,
    attempts    BIGINT  NOT NULL,
    failed      BOOLEAN NOT NULL,
    lease_until BIGINT  NOT NULL,
    error       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX jobs_due ON jobs (tenant, kind, failed, due);

CREATE TABLE cursors (
    tenant BIGINT NOT NULL,
    name   TEXT COLLATE "C" NOT NULL,
    seq    BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE blobs (
    tenant  BIGINT NOT NULL,
    digest  BYTEA  NOT NULL,
    bytes   BYTEA  NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, digest)
);

INSERT INTO tenants (tenant, name) VALUES (1, 'default');
INSERT INTO heads (tenant, seq, updated) VALUES (1, 0, 0);
