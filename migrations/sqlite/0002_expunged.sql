-- Versions whose content was taken away stay in the log; histories leave them out, and count them.
CREATE INDEX versions_expunged ON versions (tenant, seq) WHERE kind = 4;
