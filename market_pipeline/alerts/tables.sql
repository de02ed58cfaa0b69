-- What is known of every incident, in SQLite: apart from Cassandra and Kafka, which are among the watched.
-- Times are epoch seconds.

CREATE TABLE IF NOT EXISTS board (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  at REAL NOT NULL -- of the newest step: a clock that is set back is known by it
);

-- the newest look of each kind: of programs alone, or at everything
CREATE TABLE IF NOT EXISTS look (
  kind TEXT PRIMARY KEY,
  at REAL NOT NULL
);

-- what could not be told in it
CREATE TABLE IF NOT EXISTS unknown (
  kind TEXT NOT NULL REFERENCES look (kind),
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  text TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS incident (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  severity TEXT NOT NULL,
  state TEXT NOT NULL,
  since REAL NOT NULL,
  opened_at REAL, -- NULL while it is only suspected
  resolved_at REAL,
  document TEXT NOT NULL -- all of it, as JSON
);

-- one at a time of each rule and subject, whoever judges
CREATE UNIQUE INDEX IF NOT EXISTS incident_not_over ON incident (rule, subject) WHERE state <> 'resolved';
CREATE INDEX IF NOT EXISTS incident_by_time ON incident (since);

CREATE TABLE IF NOT EXISTS transition (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL REFERENCES incident (id),
  change TEXT NOT NULL,
  at REAL NOT NULL,
  contact TEXT NOT NULL,
  withheld TEXT, -- why nobody was told; NULL where somebody is
  text TEXT NOT NULL,
  tried_at REAL, -- when it was handed to Slack, whether that is known to have arrived or not
  posted_at REAL -- when Slack had it
);

CREATE INDEX IF NOT EXISTS transition_of_incident ON transition (incident);

-- the message of an incident, in whose thread its changes stand
CREATE TABLE IF NOT EXISTS thread (
  incident TEXT PRIMARY KEY REFERENCES incident (id),
  channel TEXT NOT NULL,
  tried_at REAL NOT NULL,
  ts TEXT -- Slack's name of it; NULL until Slack is known to have it
);

-- what is told of no incident, such as a day's digest; each key once
CREATE TABLE IF NOT EXISTS notice (
  key TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  at REAL NOT NULL,
  tried_at REAL,
  posted_at REAL
);

-- one at a time delivers, and nobody before Slack wants to hear again
CREATE TABLE IF NOT EXISTS delivery (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  claimed_until REAL NOT NULL,
  not_before REAL NOT NULL,
  failures INTEGER NOT NULL,
  error TEXT
);

-- what Slack did not take: an incident's messages, a notice, or all of a channel; apart from what it takes nothing of
CREATE TABLE IF NOT EXISTS refusal (
  key TEXT PRIMARY KEY,
  attempts INTEGER NOT NULL,
  not_before REAL NOT NULL, -- of the next attempt
  error TEXT NOT NULL,
  at REAL NOT NULL
);

-- what was tried by itself to mend an incident
CREATE TABLE IF NOT EXISTS attempt (
  incident TEXT NOT NULL REFERENCES incident (id),
  number INTEGER NOT NULL,
  at REAL NOT NULL,
  remedy TEXT NOT NULL,
  PRIMARY KEY (incident, number)
);

-- remedies that people asked for
CREATE TABLE IF NOT EXISTS request (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL,
  subject TEXT NOT NULL,
  remedy TEXT NOT NULL,
  by TEXT NOT NULL,
  at REAL NOT NULL,
  taken_at REAL -- when Dagster's sensor had it
);

-- what the runs of remedies for an incident came to
CREATE TABLE IF NOT EXISTS outcome (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL,
  run TEXT NOT NULL, -- Dagster's id of it
  at REAL NOT NULL,
  worked INTEGER, -- NULL where there was nothing to do
  text TEXT NOT NULL
);

-- ends of programs that nobody had asked for
CREATE TABLE IF NOT EXISTS program_end (
  program TEXT NOT NULL,
  at REAL NOT NULL,
  how TEXT NOT NULL,
  PRIMARY KEY (program, at)
) WITHOUT ROWID;

-- the incidents that are over and have their report
CREATE TABLE IF NOT EXISTS report (
  incident TEXT PRIMARY KEY,
  at REAL NOT NULL
);

-- figures of past looks, for what is judged over a window
CREATE TABLE IF NOT EXISTS sample (
  series TEXT NOT NULL,
  at REAL NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (series, at)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS canary (
  sent_us INTEGER PRIMARY KEY, -- epoch microseconds
  taken INTEGER NOT NULL, -- 1 when Kafka said that it has it; else nobody knows
  delay_s REAL -- until it was queryable; NULL while it is not
);

-- the smoke tests that Kafka has, or may have
CREATE TABLE IF NOT EXISTS smoke_test (
  sent_us INTEGER PRIMARY KEY -- epoch microseconds
);

CREATE TABLE IF NOT EXISTS silence (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  starts_at REAL NOT NULL,
  ends_at REAL NOT NULL
);
