-- Questions about months go through whole weeks in the order in which they sum them up: nothing has to be sorted for them.
DROP INDEX tallies_started;
CREATE INDEX tallies_weeks ON tallies (week, scenario, fingerprint, class, rto);
