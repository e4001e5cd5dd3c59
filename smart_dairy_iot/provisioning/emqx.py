"""EMQX, which reads its users and their rights from PostgreSQL (docker/emqx/init-scripts/01-auth-schema.sql).

What a device may do is in force once the transaction has committed, but for what EMQX has looked up before: a
connection that must end is ended over its REST API, and its cache of rights is emptied.

A rotation's grace period works thus: while it lasts EMQX gets one of the two hashes by chance (docker/emqx/config/
emqx.conf says why), so a device with either password is in after two attempts on average.
"""

from contextlib import ExitStack
from datetime import timezone
from itertools import chain

from psycopg2.extras import execute_values

from .base import Broker, BrokerUnreachable, FoundUser, PasswordHash
from .emqx_api import EmqxApi
from .emqx_database import database_of

LITERAL = "eq "
"""Before a topic: EMQX takes it as it stands, without wildcards and placeholders."""

PAGE_ROWS = 10_000

MANY_USERS = 100
"""From here on rights are compared by hashing. To the planner a table that was emptied and vacuumed is as good as empty
while it is being filled, so that it would read all of it again for each row: 10,000 users took 18 s, and take 1.7."""

WRITE_USERS = """
    INSERT INTO mqtt_user AS u (
        username, clientid, is_active,
        password_hash, salt, previous_password_hash, previous_salt, previous_valid_until
    ) VALUES %s
    ON CONFLICT (username) DO UPDATE SET
        clientid = EXCLUDED.clientid,
        is_active = EXCLUDED.is_active,
        password_hash = EXCLUDED.password_hash,
        salt = EXCLUDED.salt,
        previous_password_hash = EXCLUDED.previous_password_hash,
        previous_salt = EXCLUDED.previous_salt,
        previous_valid_until = EXCLUDED.previous_valid_until
    WHERE (
        u.clientid, u.is_active,
        u.password_hash, u.salt, u.previous_password_hash, u.previous_salt, u.previous_valid_until
    ) IS DISTINCT FROM (
        EXCLUDED.clientid, EXCLUDED.is_active,
        EXCLUDED.password_hash, EXCLUDED.salt,
        EXCLUDED.previous_password_hash, EXCLUDED.previous_salt, EXCLUDED.previous_valid_until
    )
"""
USER_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s::timestamptz)"

DELETE_OTHER_RIGHTS = """
    DELETE FROM mqtt_acl AS a
    WHERE a.username = ANY(%s) AND NOT EXISTS (
        SELECT FROM rights AS r
        WHERE r.username = a.username AND r.action = a.action AND r.topic = a.topic
          AND a.permission = 'allow' AND a.qos IS NULL AND a.retain IS NULL
    )
"""
INSERT_MISSING_RIGHTS = """
    INSERT INTO mqtt_acl (username, permission, action, topic)
    SELECT r.username, 'allow', r.action, r.topic
    FROM rights AS r
    WHERE NOT EXISTS (
        SELECT FROM mqtt_acl AS a
        WHERE a.username = r.username AND a.action = r.action AND a.topic = r.topic
    )
"""

READ_USERS = """
    SELECT u.username, u.clientid, u.is_active, u.is_superuser, u.password_hash, u.salt,
           grace.hash, grace.salt, grace.until AT TIME ZONE 'UTC'
    FROM mqtt_user AS u
    LEFT JOIN LATERAL (
        SELECT u.previous_password_hash, u.previous_salt, u.previous_valid_until
        WHERE u.previous_valid_until > CURRENT_TIMESTAMP
    ) AS grace (hash, salt, until) ON TRUE
"""


class EmqxBroker(Broker):
    """The users of devices in the authentication database and at the REST API of `config` (see `bridge.config.Config`).

    From `__enter__` to `__exit__` nobody else writes to the database: who reads the register after `__enter__` does not
    put an older state over a newer one.
    """

    takes_hashes = True

    def __init__(self, config):
        self._config = config
        self._resources = ExitStack()
        self._database = None
        self._api = None

    def __enter__(self):
        with ExitStack() as resources:
            self._database = resources.enter_context(database_of(self._config).held())
            self._api = resources.enter_context(EmqxApi(self._config))
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._resources.close()

    def apply(self, changes):
        changes = list(changes)
        known_as = self._database.transaction(lambda cursor: _write(cursor, changes))
        try:
            self._api.kick(_client_ids(changes, known_as, "disconnect"))
            self._api.forget_rights(_client_ids(changes, known_as, "refresh"))
        except BrokerUnreachable as error:
            raise BrokerUnreachable(
                f"The rights of devices are written, but open connections may go on with the old ones: {error}"
            ) from error
        yield from changes

    def users(self):
        return self._database.transaction(_read)


def _client_ids(changes, known_as, effect):
    """The clients that are to suffer the effect.

    :param known_as: {username: client id} as the database had it; the register knows no client id of a foreign user,
        and one that has another now may still be connected with that
    """
    usernames = {change.username for change in changes if change.effect == effect}
    ids = {change.client_id for change in changes if change.username in usernames and change.client_id}
    return sorted(ids | {known_as[username] for username in usernames & known_as.keys()})


def _write(cursor, changes):
    """Make the tables as the changes want them, and return {username: client id} of those that were there before."""
    cursor.execute(
        "SELECT username, clientid FROM mqtt_user WHERE username = ANY(%s) ORDER BY username FOR UPDATE",
        [[change.username for change in changes]],
    )
    known_as = dict(cursor.fetchall())
    users = [change.after for change in changes if change.after]
    # Those that go are first: their client ids are free then.
    gone = [change.username for change in changes if not change.after]
    cursor.execute("DELETE FROM mqtt_user WHERE username = ANY(%s)", [gone])
    execute_values(cursor, WRITE_USERS, map(_user_row, users), USER_ROW, PAGE_ROWS)
    cursor.execute("CREATE TEMPORARY TABLE rights (username text, action text, topic text) ON COMMIT DROP")
    execute_values(
        cursor, "INSERT INTO rights VALUES %s", chain.from_iterable(map(_rights, users)), page_size=PAGE_ROWS
    )
    cursor.execute("ANALYZE rights")
    if len(users) > MANY_USERS:
        cursor.execute("SET LOCAL enable_nestloop = off")
    cursor.execute(DELETE_OTHER_RIGHTS, [[user.access.username for user in users]])
    cursor.execute(INSERT_MISSING_RIGHTS)
    return known_as


def _user_row(user):
    until = user.previous_until
    return (
        user.access.username,
        user.access.client_id,
        user.enabled,
        *_hash_columns(user.password),
        *_hash_columns(user.previous_password),
        until and until.replace(tzinfo=timezone.utc),
    )


def _hash_columns(password):
    # EMQX cannot read a salt that is NULL.
    return (password.digest, password.salt) if password else (None, "")


def _rights(user):
    access = user.access
    for action, topics in (("publish", access.publish), ("subscribe", access.subscribe)):
        for topic in dict.fromkeys(topics):
            yield access.username, action, LITERAL + topic


def _read(cursor):
    # Both tables as they are at one moment.
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    cursor.execute("SELECT username, permission, action, topic, qos, retain FROM mqtt_acl ORDER BY id")
    rules = {}
    for username, *rule in cursor:
        rules.setdefault(username, []).append(rule)
    cursor.execute(READ_USERS)
    return {row[0]: _found(row, rules.get(row[0], ())) for row in cursor}


def _found(row, rules):
    username, client_id, is_active, is_superuser, password_hash, salt, *previous = row
    previous_hash, previous_salt, previous_until = previous
    topics = {"publish": set(), "subscribe": set()}
    others = ["superuser"] if is_superuser else []
    for permission, action, topic, qos, retain in rules:
        if permission == "allow" and action in topics and topic.startswith(LITERAL) and qos is None and retain is None:
            topics[action].add(topic.removeprefix(LITERAL))
        else:
            limits = "".join(
                f", {name} {value}" for name, value in (("QoS", qos), ("retain", retain)) if value is not None
            )
            others.append(f"{permission} {action} {topic}{limits}")
    return FoundUser(
        username,
        client_id,
        is_active,
        frozenset(topics["publish"]),
        frozenset(topics["subscribe"]),
        PasswordHash(password_hash, salt) if password_hash else None,
        tuple(others),
        PasswordHash(previous_hash, previous_salt) if previous_hash else None,
        previous_until if previous_hash else None,
    )
