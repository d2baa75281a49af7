-- FHIR packages in their prepared form, and which of them a tenant has taken into use (or out of it, where the configuration
-- names them). Every change counts up the revision, so that other nodes see that there is something new.

CREATE TABLE packages (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE tenant_packages (
    tenant BIGINT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    active BIGINT NOT NULL,
    PRIMARY KEY (tenant, name, version)
);

CREATE TABLE package_revision (
    number BIGINT NOT NULL
);

INSERT INTO package_revision (number) VALUES (0);
