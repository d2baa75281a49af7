-- Which resource refers to which, while references are enforced; the cursor `referrals` says up to where in the log.
CREATE TABLE referrals (
    tenant      BIGINT NOT NULL,
    target_type TEXT COLLATE "C" NOT NULL,
    target_id   TEXT COLLATE "C" NOT NULL,
    source_type TEXT COLLATE "C" NOT NULL,
    source_id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, target_type, target_id, source_type, source_id)
);
-- An update asks what its resource referred to.
CREATE INDEX referrals_source ON referrals (tenant, source_type, source_id);
