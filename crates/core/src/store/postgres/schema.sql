CREATE TABLE meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO meta VALUES ('revision', '0');
CREATE TABLE app (
    name text PRIMARY KEY, status text NOT NULL, labels text NOT NULL, scopes text NOT NULL, addresses text NOT NULL,
    rate_per_second bigint, rate_burst bigint, created bigint NOT NULL
);
CREATE TABLE credential (
    key_id text PRIMARY KEY, app text NOT NULL REFERENCES app (name), sealed bytea NOT NULL,
    fingerprint bytea NOT NULL UNIQUE, secret_index bytea UNIQUE,
    algorithms text NOT NULL, dialects text NOT NULL, inputs text NOT NULL, diagnostics boolean NOT NULL,
    status text NOT NULL, not_before bigint, not_after bigint, created bigint NOT NULL, last_used bigint, last_used_with text
);
CREATE INDEX credential_app ON credential (app, key_id);
