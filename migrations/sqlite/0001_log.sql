-- The log and what must be decided in the same commit. Every key begins with the tenant; instants are microseconds.
-- A narrow table keyed by text is WITHOUT ROWID (one tree); versions keeps its rowid, because its rows are wide and
-- only ever appended: a rowid leaf splits at its right edge without copying, and large bodies spill to overflow pages.

CREATE TABLE tenants (
    tenant BIGINT NOT NULL PRIMARY KEY,
    name   TEXT   NOT NULL UNIQUE
);

CREATE TABLE heads (
    tenant  BIGINT NOT NULL PRIMARY KEY,
    seq     BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE versions (
    tenant  BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    type    TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    kind    BIGINT NOT NULL,
    tx      BIGINT NOT NULL,
    body    BLOB,
    PRIMARY KEY (tenant, seq)
);
CREATE INDEX versions_type ON versions (tenant, type, seq);

CREATE TABLE current (
    tenant  BIGINT  NOT NULL,
    type    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    seq     BIGINT  NOT NULL,
    version BIGINT  NOT NULL,
    updated BIGINT  NOT NULL,
    deleted BOOLEAN NOT NULL,
    digest  BLOB    NOT NULL,
    PRIMARY KEY (tenant, type, id)
) WITHOUT ROWID;

CREATE TABLE superseded (
    tenant  BIGINT NOT NULL,
    type    TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    version BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    PRIMARY KEY (tenant, type, id, version)
) WITHOUT ROWID;

CREATE TABLE type_heads (
    tenant   BIGINT NOT NULL,
    type     TEXT   NOT NULL,
    seq      BIGINT NOT NULL,
    versions BIGINT NOT NULL,
    PRIMARY KEY (tenant, type)
) WITHOUT ROWID;

CREATE TABLE identifiers (
    tenant BIGINT NOT NULL,
    type   TEXT   NOT NULL,
    hash   BIGINT NOT NULL,
    id     TEXT   NOT NULL,
    PRIMARY KEY (tenant, type, hash, id)
) WITHOUT ROWID;
-- An update asks which identifiers its resource had.
CREATE INDEX identifiers_holder ON identifiers (tenant, type, id);

-- Spans of one subject never overlap, so their ends are as unique as their starts; keyed by the end, a search for
-- overlaps begins at the first span that is not over yet.
CREATE TABLE claims (
    tenant      BIGINT NOT NULL,
    subject     TEXT   NOT NULL,
    ends        BIGINT NOT NULL,
    starts      BIGINT NOT NULL,
    holder_type TEXT   NOT NULL,
    holder_id   TEXT   NOT NULL,
    PRIMARY KEY (tenant, subject, ends),
    CHECK (starts < ends)
) WITHOUT ROWID;
CREATE INDEX claims_holder ON claims (tenant, holder_type, holder_id);

CREATE TABLE jobs (
    tenant      BIGINT  NOT NULL,
    id          TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    payload     BLOB    NOT NULL,
    due         BIGINT  NOT NULL,
    attempts    BIGINT  NOT NULL,
    failed      BOOLEAN NOT NULL,
    lease_until BIGINT  NOT NULL,
    error       TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX jobs_due ON jobs (tenant, kind, failed, due);

CREATE TABLE cursors (
    tenant BIGINT NOT NULL,
    name   TEXT   NOT NULL,
    seq    BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

CREATE TABLE blobs (
    tenant  BIGINT NOT NULL,
    digest  BLOB   NOT NULL,
    bytes   BLOB   NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, digest)
);

INSERT INTO tenants (tenant, name) VALUES (1, 'default');
INSERT INTO heads (tenant, seq, updated) VALUES (1, 0, 0);
