INSERT INTO meta VALUES ('session revision', '0');
CREATE TABLE users (
    id text PRIMARY KEY, name text NOT NULL UNIQUE, display_name text, status text NOT NULL, scopes text NOT NULL, roles text NOT NULL,
    password text, password_changed bigint, totp bytea, totp_step bigint NOT NULL DEFAULT 0, epoch bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL, external text UNIQUE
);
CREATE UNIQUE INDEX users_look_alike ON users (lower(name COLLATE "C"));
CREATE TABLE sessions (
    sid bytea PRIMARY KEY, user_id text NOT NULL REFERENCES users (id), app text NOT NULL, salt bytea NOT NULL,
    created bigint NOT NULL, authenticated bigint NOT NULL, last_seen bigint NOT NULL, idle_ends bigint NOT NULL, ends bigint NOT NULL,
    generation bigint NOT NULL, rotated bigint NOT NULL, confirmed bigint NOT NULL, epoch bigint NOT NULL,
    binding text NOT NULL, bound_key bytea, scopes text NOT NULL, methods text NOT NULL,
    agent text, address_first text, address_last text, revoked bigint, revoke_reason text
);
CREATE INDEX sessions_user ON sessions (user_id, revoked);
CREATE INDEX sessions_ends ON sessions (ends);
CREATE TABLE signing_key (
    kid text PRIMARY KEY, algorithm text NOT NULL, public bytea NOT NULL, sealed bytea NOT NULL, published bigint NOT NULL,
    signs_from bigint NOT NULL, signs_until bigint NOT NULL, verifies_until bigint NOT NULL, revoked bigint
);
CREATE TABLE login_throttle (
    bucket bytea PRIMARY KEY, fails bigint NOT NULL, next_at bigint NOT NULL, reset_at bigint NOT NULL
);
CREATE INDEX login_throttle_reset ON login_throttle (reset_at);
