-- The tables of history. Plain types only, so that SQLite and PostgreSQL take the same text: whole numbers are BIGINT (times are
-- microseconds since 1970, yes and no are 1 and 0), lists and maps are JSON in TEXT.
-- Rows are named by what they are (run, scenario, trial): an upload that comes twice meets its own rows.

CREATE TABLE fingerprints (
    id TEXT PRIMARY KEY,
    kubernetes TEXT NOT NULL,
    nodes BIGINT NOT NULL,
    simulated BIGINT NOT NULL,
    properties TEXT NOT NULL
);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT,
    seed TEXT NOT NULL,
    command TEXT NOT NULL,
    provider TEXT NOT NULL,
    cluster TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    complete BIGINT NOT NULL,
    outcome TEXT,
    exit_code BIGINT,
    expected_trials BIGINT NOT NULL
);
CREATE INDEX runs_started ON runs (started);

CREATE TABLE labels (
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
);
CREATE INDEX labels_value ON labels (name, value, run_id);

CREATE TABLE scenarios (
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    class TEXT NOT NULL,
    labels TEXT NOT NULL,
    summary TEXT NOT NULL,
    expect TEXT NOT NULL,
    rto DOUBLE PRECISION,
    detect_cause TEXT,
    detect_within DOUBLE PRECISION,
    outcome TEXT,
    reason TEXT,
    PRIMARY KEY (run_id, name)
);

CREATE TABLE workloads (
    run_id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    workload TEXT NOT NULL,
    PRIMARY KEY (run_id, scenario, workload)
);

CREATE TABLE trials (
    run_id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    trial BIGINT NOT NULL,
    seed TEXT NOT NULL,
    verdict TEXT NOT NULL,
    valid BIGINT NOT NULL,
    expected BIGINT NOT NULL,
    rto_counts BIGINT NOT NULL,
    rto_kept BIGINT NOT NULL,
    reason TEXT NOT NULL,
    namespace TEXT NOT NULL,
    to_effect DOUBLE PRECISION,
    to_effect_uncertainty DOUBLE PRECISION,
    to_effect_censored BIGINT,
    to_detect DOUBLE PRECISION,
    to_detect_uncertainty DOUBLE PRECISION,
    to_detect_censored BIGINT,
    to_recover DOUBLE PRECISION,
    to_recover_uncertainty DOUBLE PRECISION,
    to_recover_censored BIGINT,
    to_recover_from_request DOUBLE PRECISION,
    to_recover_from_request_uncertainty DOUBLE PRECISION,
    to_recover_from_request_censored BIGINT,
    healed_by TEXT,
    healed_how TEXT,
    leftovers TEXT NOT NULL,
    notes TEXT NOT NULL,
    timeline TEXT NOT NULL,
    PRIMARY KEY (run_id, scenario, trial)
);

CREATE TABLE stamps (
    run_id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    trial BIGINT NOT NULL,
    name TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    earliest DOUBLE PRECISION NOT NULL,
    server TEXT,
    PRIMARY KEY (run_id, scenario, trial, name)
);

CREATE TABLE findings (
    run_id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    trial BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    cause TEXT NOT NULL,
    namespace TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    container TEXT,
    workload TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    first_seen DOUBLE PRECISION NOT NULL,
    last_seen DOUBLE PRECISION NOT NULL,
    signals BIGINT NOT NULL,
    confidence TEXT NOT NULL,
    leading_one BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (run_id, scenario, trial, ordinal)
);

CREATE TABLE actions (
    run_id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    trial BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    id TEXT NOT NULL,
    step TEXT NOT NULL,
    cause TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (run_id, scenario, trial, ordinal)
);

-- The sums of up to 64 trials of a scenario in a run, made from `trials` in the transaction that changes one of them: questions
-- about months read these. Times are `seconds:uncertainty:censored`, separated by semicolons.
CREATE TABLE tallies (
    run_id TEXT NOT NULL,
    scenario TEXT NOT NULL,
    chunk BIGINT NOT NULL,
    started BIGINT NOT NULL,
    week BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    class TEXT NOT NULL,
    rto DOUBLE PRECISION,
    trials BIGINT NOT NULL,
    valid BIGINT NOT NULL,
    expected BIGINT NOT NULL,
    rto_counts BIGINT NOT NULL,
    rto_kept BIGINT NOT NULL,
    recoveries TEXT NOT NULL,
    detections TEXT NOT NULL,
    PRIMARY KEY (run_id, scenario, chunk)
);
CREATE INDEX tallies_started ON tallies (started);

-- What was seen outside trials, by a scan or by the healer: one row for each stretch without a gap.
CREATE TABLE observations (
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    workload TEXT NOT NULL,
    cause TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    signals BIGINT NOT NULL,
    PRIMARY KEY (cluster, namespace, workload, cause, first_seen)
);
CREATE INDEX observations_seen ON observations (last_seen);

-- Days (since 1970) on which somebody looked at a namespace: without them, "nothing seen" would mean nothing.
CREATE TABLE looks (
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    day BIGINT NOT NULL,
    PRIMARY KEY (cluster, namespace, day)
);
