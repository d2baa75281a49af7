-- How much is asked of the resources of a tenant: off, base, profiles or strict; NULL is what the configuration says.

ALTER TABLE tenants ADD COLUMN validation TEXT COLLATE "C";
