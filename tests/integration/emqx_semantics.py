"""What EMQX 5.8 makes of its configuration and of the rows of its authentication database.

No EMQX runs here. `Emqx` reads the very file the broker is given (docker/emqx/config/emqx.conf), runs the queries in it
on PostgreSQL, and judges the rows as the broker's source does at the tag v5.8.7:

- authentication: apps/emqx_auth_postgresql/src/emqx_authn_postgresql.erl, emqx_authn_utils.erl and
  emqx_authn_chains.erl in apps/emqx_auth, apps/emqx/src/emqx_passwd.erl
- authorization: apps/emqx_auth_postgresql/src/emqx_authz_postgresql.erl, emqx_authz_utils.erl, emqx_authz_rule_raw.erl
  and emqx_authz_rule.erl in apps/emqx_auth, apps/emqx/src/emqx_topic.erl and emqx_access_control.erl
- placeholders: emqx_auth_utils.erl in apps/emqx_auth, emqx_template_sql.erl in apps/emqx_utils
- a certificate's identity: set_peercert_infos, set_username and override_clientid in apps/emqx/src/emqx_channel.erl

The broker's cache of rights is left out: it answers as the database did up to a minute ago, unless it is emptied.
"""

import ast
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from pyhocon import ConfigFactory

CONF = Path(__file__).parents[2] / "docker" / "emqx" / "config" / "emqx.conf"

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
CREDENTIAL_VARIABLES = {"username", "clientid", "password", "peerhost", "cert_subject", "cert_common_name"}
QUERY_VARIABLES = {"username", "clientid", "peerhost", "cert_subject", "cert_common_name"}
TOPIC_VARIABLES = {"username", "clientid", "cert_common_name"}
ANY_QOS = (0, 1, 2)


@dataclass(frozen=True)
class Client:
    """A client that the broker has let in."""

    username: str
    clientid: str
    is_superuser: bool = False
    """EMQX asks a superuser's rights of nobody."""


class BadRule(Exception):
    """A row that is no rule: the broker logs it and goes on to the next."""


class Emqx:
    """The broker with its configuration, on an authentication database.

    :param connect: opens a connection to that database as the broker's role
    """

    def __init__(self, connect):
        self.conf = _configuration()
        self._connect = connect
        self._connection = None
        self._statements = {}
        (self._authenticator,) = self.conf["authentication"]
        self._authorization = self.conf["authorization"]
        (self._source,) = self._authorization["sources"]
        assert (self._authenticator["mechanism"], self._authenticator["backend"]) == ("password_based", "postgresql")
        assert self._source["type"] == "postgresql"

    # ------------------------------------------------------------------ authentication

    def connect(self, username, clientid, password):
        """The `Client` on the listener for passwords, or None where it is refused."""
        assert self.conf["listeners.ssl.default"].get("enable_authn", True) is True
        if password is None:
            return None  # bad_username_or_password
        values = {"username": username, "clientid": clientid, "password": password}
        rows = self._query(self._authenticator["query"], CREDENTIAL_VARIABLES, values)
        if not rows:
            return None  # ignored, and the chain is exhausted: not_authorized. So is a query that fails.
        row = rows[0]
        if not self._password_fits(row, password):
            return None
        return Client(username, clientid, _truth(row.get("is_superuser")))

    def connect_with_certificate(self, common_name, username=None, clientid=None):
        """The `Client` on the listener for certificates, who may also say itself what it is called."""
        listener = self.conf["listeners.ssl.certificate"]
        assert listener["enable_authn"] is False
        mqtt = self.conf["zones"][listener["zone"]]["mqtt"]
        if mqtt.get("peer_cert_as_username", "disabled") == "cn":
            username = common_name or username
        if mqtt.get("peer_cert_as_clientid", "disabled") == "cn":
            clientid = common_name or clientid
        override = mqtt.get("clientid_override", "disabled")
        if override != "disabled":
            clientid = variform(override, {"username": username, "clientid": clientid, "cn": common_name}) or clientid
        return Client(username, clientid)

    def _password_fits(self, row, password):
        stored, salt = row.get("password_hash"), row.get("salt", "")
        if not isinstance(stored, str) or not isinstance(salt, str):
            return False  # NULL raises in the broker, which goes on to the next authenticator, and there is none
        algorithm = self._authenticator["password_hash_algorithm"]
        position = algorithm.get("salt_position", "prefix")
        data = {"prefix": salt + password, "suffix": password + salt, "disable": password}[position]
        name = {"sha": "sha1"}.get(algorithm["name"], algorithm["name"])
        digest = hashlib.new(name, data.encode()).hexdigest()
        return hmac.compare_digest(digest.lower().encode(), stored.lower().encode())

    # ------------------------------------------------------------------ authorization

    def may(self, client, action, topic, qos=1, retain=False):
        """Whether the broker lets the client do it.

        :param action: "publish" or "subscribe"; a subscription's topic is a filter, shared or not
        """
        if topic.startswith("$delayed/"):
            parts = topic.split("/", 2)
            return len(parts) == 3 and self.may(client, action, parts[2], qos, retain)
        if action == "subscribe":
            topic = _real_filter(topic)
        if client.is_superuser:
            return True
        values = {"username": client.username, "clientid": client.clientid}
        for row in self._query(self._source["query"], QUERY_VARIABLES, values):
            try:
                rule = Rule.of(row)
            except BadRule:
                continue
            if rule.matches(values, action, topic, qos, retain):
                return rule.permission == "allow"
        return self._authorization.get("no_match", "allow") == "allow"

    # ------------------------------------------------------------------ database

    def _query(self, template, allowed, values):
        """The rows as dicts; none where the database cannot answer."""
        statement, parameters = prepared(template, allowed, values)
        try:
            name = self._prepare(statement)
            with self._connection.cursor() as cursor:
                arguments = f"({', '.join(['%s'] * len(parameters))})" if parameters else ""
                cursor.execute(f"EXECUTE {name} {arguments}", parameters)
                columns = [column.name for column in cursor.description]
                return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        except psycopg2.Error:
            self.close()
            return []

    def _prepare(self, statement):
        """The name of the statement, which is prepared once for a connection that is kept."""
        if self._connection is None:
            self._connection = self._connect()
            self._connection.autocommit = True
        if statement not in self._statements:
            self._statements[statement] = f"broker_{len(self._statements)}"
            with self._connection.cursor() as cursor:
                cursor.execute(f"PREPARE {self._statements[statement]} AS {statement}")
        return self._statements[statement]

    def close(self):
        """Give up the connection; the next query opens one."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._statements = None, {}


@functools.cache
def _configuration():
    return ConfigFactory.parse_file(str(CONF))


def prepared(template, allowed, values):
    """A query as the broker prepares it: each placeholder a parameter of its own.

    :return: (statement with $1, $2 …, the parameters); one without a value is an empty text
    """
    parameters = []

    def parameter(match):
        name = match[1]
        assert name in allowed, f"the broker does not know ${{{name}}} here"
        parameters.append(values.get(name) or "")
        return f"${len(parameters)}"

    return PLACEHOLDER.sub(parameter, template), parameters


# ---------------------------------------------------------------------- rules


@dataclass(frozen=True)
class Rule:
    """A row of the query for rights, once it is understood."""

    permission: str
    action: str
    topic: str
    qos: tuple
    retain: bool | None
    """None: either."""

    @classmethod
    def of(cls, row):
        """
        :raises BadRule: where the broker would log an error and go on
        """
        action = {"pub": "publish", "sub": "subscribe"}.get(row.get("action"), row.get("action"))
        if row.get("permission") not in ("allow", "deny") or action not in ("publish", "subscribe", "all"):
            raise BadRule(row)
        if not isinstance(row.get("topic"), str):
            raise BadRule(row)
        retain = None if action == "subscribe" else _retain(row.get("retain"))
        return cls(row["permission"], action, row["topic"], _qos(row.get("qos")), retain)

    def matches(self, values, action, topic, qos, retain):
        return (
            self.action in (action, "all")
            and qos in self.qos
            and (action == "subscribe" or self.retain in (None, retain))
            and self._matches_topic(values, topic)
        )

    def _matches_topic(self, values, topic):
        if self.topic.startswith("eq "):
            return topic.split("/") == self.topic.removeprefix("eq ").split("/")
        rendered = _render(self.topic, values)
        return rendered is not None and filter_matches(rendered, topic)


def filter_matches(topic_filter, topic):
    """Whether the rule's filter covers the topic, which may be a filter itself: then its wildcards are words."""
    wanted, words = topic_filter.split("/"), topic.split("/")
    if words[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for position, want in enumerate(wanted):
        if want == "#" and position == len(wanted) - 1:
            return True
        if position >= len(words) or want not in ("+", words[position]):
            return False
    return len(words) == len(wanted)


def _render(template, values):
    """The filter with its placeholders filled in; None where one has no value. Unknown ones stay as they are."""
    missing = []

    def fill(match):
        if match[1] not in TOPIC_VARIABLES:
            return match[0]
        if values.get(match[1]) is None:
            missing.append(match[1])
        return str(values.get(match[1]))

    rendered = PLACEHOLDER.sub(fill, template)
    return None if missing else rendered


def _real_filter(topic):
    if topic.startswith("$share/"):
        return topic.split("/", 2)[2]
    return topic.removeprefix("$queue/")


def _qos(value):
    if value is None:
        return ANY_QOS
    try:
        levels = (value,) if isinstance(value, int) else tuple(int(part) for part in value.split(","))
    except (ValueError, AttributeError) as error:
        raise BadRule(value) from error
    if not set(levels) <= set(ANY_QOS):
        raise BadRule(value)
    return levels


def _retain(value):
    known = {None: None, "all": None, 0: False, "0": False, "false": False, 1: True, "1": True, "true": True}
    if value not in known:
        raise BadRule(value)
    return known[value]


def _truth(value):
    """A column as a yes or no; a text counts if it is “true” or a number from 1 on."""
    if isinstance(value, str):
        return value == "true" or (value.lstrip("-").isdigit() and int(value) >= 1)
    return isinstance(value, int) and value >= 1


# ---------------------------------------------------------------------- expressions


def variform(expression, variables):
    """The text of an expression such as concat(['sd_', substr(username, 3)]); None where a variable has no value."""
    try:
        return _evaluate(ast.parse(expression, mode="eval").body, variables)
    except TypeError:
        return None


def _evaluate(node, variables):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return variables[node.id]
    if isinstance(node, ast.List):
        return [_evaluate(element, variables) for element in node.elts]
    assert isinstance(node, ast.Call), ast.dump(node)
    functions = {"concat": "".join, "substr": lambda text, start: text[start:]}
    return functions[node.func.id](*(_evaluate(argument, variables) for argument in node.args))
