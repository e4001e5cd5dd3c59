#!/bin/sh
# The bridge's own user at EMQX: it reads and writes all topics of devices, and is no superuser.
#
# Its password comes from SMART_DAIRY_MQTT_BRIDGE_PASSWORD. The postgres image runs this once, on an empty volume; run it
# again to change the password:
#   docker compose exec -e SMART_DAIRY_MQTT_BRIDGE_PASSWORD auth-db sh /docker-entrypoint-initdb.d/03-bridge-user.sh
set -eu
: "${SMART_DAIRY_MQTT_BRIDGE_PASSWORD:?}"
BRIDGE_USERNAME=${SMART_DAIRY_MQTT_BRIDGE_USERNAME:-sd_bridge}
BRIDGE_CLIENTID=${SMART_DAIRY_MQTT_BRIDGE_CLIENT_ID:-sd_bridge}

# PostgreSQL is given the hash alone.
BRIDGE_SALT=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
BRIDGE_HASH=$(printf '%s%s' "$BRIDGE_SALT" "$SMART_DAIRY_MQTT_BRIDGE_PASSWORD" | sha256sum | cut -d ' ' -f 1)

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
    --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname "${POSTGRES_DB:-${PGDATABASE:-emqx_auth}}" \
    --set username="$BRIDGE_USERNAME" --set clientid="$BRIDGE_CLIENTID" \
    --set salt="$BRIDGE_SALT" --set hash="$BRIDGE_HASH" <<'SQL'
BEGIN;
INSERT INTO mqtt_user (username, clientid, password_hash, salt)
VALUES (:'username', :'clientid', :'hash', :'salt')
ON CONFLICT (username) DO UPDATE
SET clientid = EXCLUDED.clientid, password_hash = EXCLUDED.password_hash, salt = EXCLUDED.salt, is_active = TRUE;
DELETE FROM mqtt_acl WHERE username = :'username';
INSERT INTO mqtt_acl (username, permission, action, topic) VALUES (:'username', 'allow', 'all', 'dairy/#');
COMMIT;
SQL
