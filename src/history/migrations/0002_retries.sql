-- What came of trying a trial again: the verdicts in order as a JSON list, and whether one of them passed (1) where the first attempt,
-- which is the trial itself, did not.
ALTER TABLE trials ADD COLUMN retries TEXT NOT NULL DEFAULT '[]';
ALTER TABLE trials ADD COLUMN flaky BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tallies ADD COLUMN flaky BIGINT NOT NULL DEFAULT 0;
