-- A file of incidents as market-pipeline made it before it had a format (2026-11-26), with one incident of each state.
CREATE TABLE IF NOT EXISTS board (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS unknown (
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  text TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (rule, subject)
);
CREATE TABLE IF NOT EXISTS incident (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  severity TEXT NOT NULL,
  state TEXT NOT NULL,
  since REAL NOT NULL,
  opened_at REAL,
  resolved_at REAL,
  document TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS incident_not_over ON incident (rule, subject) WHERE state <> 'resolved';
CREATE INDEX IF NOT EXISTS incident_by_time ON incident (since);
CREATE TABLE IF NOT EXISTS transition (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL REFERENCES incident (id),
  change TEXT NOT NULL,
  at REAL NOT NULL,
  contact TEXT NOT NULL,
  withheld TEXT,
  text TEXT NOT NULL,
  tried_at REAL,
  posted_at REAL
);
CREATE INDEX IF NOT EXISTS transition_of_incident ON transition (incident);
CREATE TABLE IF NOT EXISTS thread (
  incident TEXT PRIMARY KEY REFERENCES incident (id),
  channel TEXT NOT NULL,
  tried_at REAL NOT NULL,
  ts TEXT
);
CREATE TABLE IF NOT EXISTS notice (
  key TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  at REAL NOT NULL,
  tried_at REAL,
  posted_at REAL
);
CREATE TABLE IF NOT EXISTS delivery (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  claimed_until REAL NOT NULL,
  not_before REAL NOT NULL,
  failures INTEGER NOT NULL,
  error TEXT
);
CREATE TABLE IF NOT EXISTS attempt (
  incident TEXT NOT NULL REFERENCES incident (id),
  number INTEGER NOT NULL,
  at REAL NOT NULL,
  remedy TEXT NOT NULL,
  PRIMARY KEY (incident, number)
);
CREATE TABLE IF NOT EXISTS request (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL,
  subject TEXT NOT NULL,
  remedy TEXT NOT NULL,
  by TEXT NOT NULL,
  at REAL NOT NULL,
  taken_at REAL
);
CREATE TABLE IF NOT EXISTS outcome (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  incident TEXT NOT NULL,
  run TEXT NOT NULL,
  at REAL NOT NULL,
  worked INTEGER NOT NULL,
  text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS report (
  incident TEXT PRIMARY KEY,
  at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS sample (
  series TEXT NOT NULL,
  at REAL NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS canary (
  sent_us INTEGER PRIMARY KEY,
  taken INTEGER NOT NULL,
  delay_s REAL
);
CREATE TABLE IF NOT EXISTS smoke_test (
  sent_us INTEGER PRIMARY KEY
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
INSERT INTO incident VALUES ('program-down/stream/1795600000000', 'program-down', 'stream', 'P1', 'open', 1795600000.0, 1795600055.0, NULL,
  '{"id": "program-down/stream/1795600000000", "rule": "program-down", "subject": "stream", "severity": "P1", "state": "open", "since": 1795600000.0, "opened_at": 1795600055.0, "level": 0, "escalated_at": 1795600055.0, "acked_at": null, "acked_by": null, "clear_since": null, "resolved_at": null, "resolved_by": null, "withheld": null, "free_since": null, "flaps": 0, "text": "stream is fatal", "value": null, "mendable": true, "evidence": {"the end of its log": "ERROR stream: no"}}');
INSERT INTO incident VALUES ('kafka-down/kafka/1795500000000', 'kafka-down', 'kafka', 'P1', 'resolved', 1795500000.0, 1795500025.0, 1795500300.0,
  '{"id": "kafka-down/kafka/1795500000000", "rule": "kafka-down", "subject": "kafka", "severity": "P1", "state": "resolved", "since": 1795500000.0, "opened_at": 1795500025.0, "level": 0, "escalated_at": 1795600055.0, "acked_at": null, "acked_by": null, "clear_since": null, "resolved_at": 1795500300.0, "resolved_by": "itself", "withheld": null, "free_since": null, "flaps": 0, "text": "Kafka does not answer", "value": null, "mendable": true, "evidence": {}}');
INSERT INTO transition (incident, change, at, contact, text) VALUES ('program-down/stream/1795600000000', 'opened', 1795600055.0, 'on-call', 'stream is fatal');
INSERT INTO outcome (incident, run, at, worked, text) VALUES ('program-down/stream/1795600000000', '1a2b3c4d-5e6f', 1795600100.0, 0, 'stream: it does not start');
INSERT INTO unknown VALUES ('clock', 'clock', 'the producer does not say', 1795600055.0);
INSERT INTO board VALUES (1, 1795600060.0);
