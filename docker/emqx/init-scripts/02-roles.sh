#!/bin/sh
# The two roles of the authentication database, each with no more than it needs:
#   emqx_broker        EMQX itself: reads, and could not write if it wanted to
#   emqx_provisioning  the device register: writes users and rights, and changes no table
#
# Their passwords come from EMQX_BROKER_DB_PASSWORD and SMART_DAIRY_MQTT_AUTH_DB_PASSWORD. The postgres image runs this
# once, on an empty volume; run it again to change the passwords. It needs a superuser and the psql of PostgreSQL 14 or
# later.
set -eu
: "${EMQX_BROKER_DB_PASSWORD:?}" "${SMART_DAIRY_MQTT_AUTH_DB_PASSWORD:?}"
export EMQX_BROKER_DB_PASSWORD SMART_DAIRY_MQTT_AUTH_DB_PASSWORD

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
    --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname "${POSTGRES_DB:-${PGDATABASE:-emqx_auth}}" <<'SQL'
-- The passwords must not get into the server's log, not even with a statement that fails.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
\getenv broker_password EMQX_BROKER_DB_PASSWORD
\getenv provisioning_password SMART_DAIRY_MQTT_AUTH_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['emqx_broker', 'emqx_provisioning']) AS name
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE emqx_broker PASSWORD :'broker_password';
ALTER ROLE emqx_provisioning PASSWORD :'provisioning_password';

-- A connection of the broker that hangs would hold up every device that wants to connect.
ALTER ROLE emqx_broker SET statement_timeout = '5s';
ALTER ROLE emqx_broker SET default_transaction_read_only = on;
ALTER ROLE emqx_provisioning SET idle_in_transaction_session_timeout = '60s';

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO emqx_broker, emqx_provisioning', current_database()) \gexec
SELECT format('GRANT TEMPORARY ON DATABASE %I TO emqx_provisioning', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO emqx_broker, emqx_provisioning;
REVOKE ALL ON mqtt_user, mqtt_acl, v_active_devices FROM PUBLIC;
GRANT SELECT ON mqtt_user, mqtt_acl TO emqx_broker;
GRANT SELECT, INSERT, UPDATE, DELETE ON mqtt_user, mqtt_acl TO emqx_provisioning;
GRANT SELECT ON v_active_devices TO emqx_provisioning;
GRANT SELECT, USAGE ON SEQUENCE mqtt_writer_turn TO emqx_provisioning;
SQL
