-- Who may connect to EMQX and what each may publish and subscribe to: the authentication database.
--
-- The queries of ../config/emqx.conf read these tables; smart_dairy_iot/provisioning/emqx.py writes them. Plain SQL that
-- may be run again; the roles are made by 02-roles.sh, the bridge's own user by 03-bridge-user.sh. It is no place for a
-- user with a default password, or for a superuser.

CREATE TABLE IF NOT EXISTS mqtt_user (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username VARCHAR(255) NOT NULL CONSTRAINT mqtt_user_username_unique UNIQUE,
    -- A user connects with this client id and no other, or it could take over the session of another device.
    clientid VARCHAR(255) NOT NULL CONSTRAINT mqtt_user_clientid_unique UNIQUE,
    -- SHA-256 of salt and password, in hex; NULL for a device that identifies itself by a certificate alone.
    password_hash VARCHAR(128),
    -- Never NULL: EMQX fails on a salt that is.
    salt VARCHAR(64) NOT NULL DEFAULT '',
    -- The password before, which is good too until the grace period of a rotation ends.
    previous_password_hash VARCHAR(128),
    previous_salt VARCHAR(64) NOT NULL DEFAULT '',
    previous_valid_until TIMESTAMPTZ,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    -- A superuser skips the rules below. Nobody is one; the queries do not even ask for this column.
    is_superuser BOOLEAN NOT NULL DEFAULT FALSE CONSTRAINT mqtt_user_never_superuser CHECK (NOT is_superuser),
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT mqtt_user_no_wildcards CHECK (username ~ '^[A-Za-z0-9_-]+$' AND clientid ~ '^[A-Za-z0-9_-]+$'),
    CONSTRAINT mqtt_user_salted CHECK (password_hash IS NULL OR salt <> ''),
    CONSTRAINT mqtt_user_previous_salted CHECK (previous_password_hash IS NULL OR previous_salt <> '')
);

CREATE TABLE IF NOT EXISTS mqtt_acl (
    -- The order in which EMQX tries the rules of a user.
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username VARCHAR(255) NOT NULL REFERENCES mqtt_user (username) ON UPDATE CASCADE ON DELETE CASCADE,
    permission VARCHAR(5) NOT NULL CONSTRAINT mqtt_acl_permission CHECK (permission IN ('allow', 'deny')),
    action VARCHAR(9) NOT NULL CONSTRAINT mqtt_acl_action CHECK (action IN ('publish', 'subscribe', 'all')),
    -- A filter, or `eq ` and a topic that is taken literally.
    topic VARCHAR(500) NOT NULL CONSTRAINT mqtt_acl_topic CHECK (topic <> ''),
    -- NULL: any.
    qos SMALLINT CONSTRAINT mqtt_acl_qos CHECK (qos IN (0, 1, 2)),
    retain SMALLINT CONSTRAINT mqtt_acl_retain CHECK (retain IN (0, 1)),
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS idx_mqtt_acl_username ON mqtt_acl (username, id);

-- Whoever writes takes a number first. One whose connection breaks sees by it whether another has written meanwhile.
CREATE SEQUENCE IF NOT EXISTS mqtt_writer_turn;

CREATE OR REPLACE FUNCTION update_updated_at() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = CURRENT_TIMESTAMP;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER mqtt_user_updated_at
    BEFORE UPDATE ON mqtt_user
    FOR EACH ROW EXECUTE FUNCTION update_updated_at();

-- The devices that may connect, for the eye. Device users are named by two letters of their type and the device id.
CREATE OR REPLACE VIEW v_active_devices AS
SELECT
    u.username,
    substr(u.username, 4) AS device_id,
    u.clientid,
    u.password_hash IS NOT NULL AS has_password,
    u.previous_password_hash IS NOT NULL AND u.previous_valid_until > CURRENT_TIMESTAMP AS in_grace_period,
    u.updated_at,
    count(a.id) AS acl_rules
FROM mqtt_user AS u
LEFT JOIN mqtt_acl AS a ON a.username = u.username
WHERE u.is_active AND u.username ~ '^[A-Z]{2}_'
GROUP BY u.id;
