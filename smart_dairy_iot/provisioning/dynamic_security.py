"""The documents of Mosquitto's dynamic security plugin: commands for a change of a user, and users from its lists.

Each device has a user and a role of its own, both named as its user name. The role allows literal topics; everything
else falls under the plugin's defaults.

A client that comes with a certificate is not asked for a password, and whether its user is disabled is not looked at:
its roles are all that limits it. A disabled user therefore has none.
"""

from .base import FoundUser

CLIENT_NOT_FOUND = "Client not found"
ROLE_NOT_FOUND = "Role not found"
ROLE_DOES_NOT_EXIST = "Role does not exist"
"""What modifyRole says where the other commands say ROLE_NOT_FOUND."""

UNKNOWN = frozenset({CLIENT_NOT_FOUND, ROLE_NOT_FOUND, ROLE_DOES_NOT_EXIST})
LISTS = ({"command": "listClients", "verbose": True}, {"command": "listRoles", "verbose": True})
WILDCARDS = ("+", "#")


def takes_away(change):
    """Whether afterwards the user may do nothing."""
    return change.after is None or not change.after.enabled


def commands_for(change):
    """What the plugin is to do for a `Change`: [(command, frozenset of refusals that do not matter)].

    Every command that succeeds makes the broker write its whole file; one that is refused does not.
    """
    if change.after is None:
        return _removal(change.username)
    if _is_made_anew(change):
        return [*_removal(change.username), *_creation(change)]
    return _modification(change)


def _is_made_anew(change):
    if change.password is not None:
        return True
    # A password cannot be taken from a user, only a user without one be put in its place.
    return change.after.password is None and (change.before is None or change.before.password is not None)


def _removal(username):
    return [
        ({"command": "deleteClient", "username": username}, UNKNOWN),
        ({"command": "deleteRole", "rolename": username}, UNKNOWN),
    ]


def _creation(change):
    username, access = change.username, change.after.access
    client = {"command": "createClient", "username": username, "clientid": access.client_id}
    if change.password is not None:
        client["password"] = change.password
    commands = [
        {"command": "createRole", "rolename": username, "acls": _acls(access)},
        {**client, "roles": _roles(change)},
    ]
    if not change.after.enabled:
        commands.append({"command": "disableClient", "username": username})
    return [(command, frozenset()) for command in commands]


def _modification(change):
    username, before, after = change.username, change.before, change.after
    access = after.access
    commands = []
    if not after.enabled and (before is None or before.enabled):
        commands.append({"command": "disableClient", "username": username})
    if before is None or _rights(before.access) != _rights(access):
        commands.append({"command": "modifyRole", "rolename": username, "acls": _acls(access)})
    client = {}
    if before is None:
        client["groups"] = []
    if before is None or before.access.client_id != access.client_id:
        client["clientid"] = access.client_id
    if before is None or before.enabled != after.enabled:
        client["roles"] = _roles(change)
    if client or change.effect == "disconnect":
        # Whatever it changes, nothing included, it ends the connection.
        commands.append({"command": "modifyClient", "username": username, **client})
    if after.enabled and (before is None or not before.enabled):
        commands.append({"command": "enableClient", "username": username})
    # A user that is to be disabled and is not there is refused already.
    return [(command, frozenset() if after.enabled else UNKNOWN) for command in commands]


def _roles(change):
    return [{"rolename": change.username}] if change.after.enabled else []


def _rights(access):
    return set(access.publish), set(access.subscribe)


def _acls(access):
    allowed = [("publishClientSend", topic) for topic in access.publish]
    for topic in access.subscribe:
        allowed += [("subscribeLiteral", topic), ("publishClientReceive", topic)]
    return [{"acltype": acl_type, "topic": topic, "priority": 0, "allow": True} for acl_type, topic in allowed]


def found_users(clients, roles):
    """The users as the plugin has them, {username: FoundUser}.

    A disabled user is shown with the rights that wait in its role for it to be enabled again.

    :param clients: data of the answer to listClients
    :param roles: data of the answer to listRoles
    """
    acls = {role["rolename"]: role["acls"] for role in roles["roles"]}
    return {client["username"]: _found_user(client, acls) for client in clients["clients"]}


def _found_user(client, acls):
    username = client["username"]
    enabled = not client.get("disabled", False)
    assigned = {role["rolename"] for role in client["roles"]}
    effective = assigned if enabled else assigned | {username} & acls.keys()
    allowed, others = _sorted_out([acl for role in sorted(effective) for acl in acls[role]])
    others += [f"it is in the group {group['groupname']}" for group in client.get("groups", ())]
    if not enabled and assigned:
        others.append("it keeps its rights while it is disabled, so that a certificate lets it in")
    subscribe = allowed["subscribe"] & allowed["receive"]
    for verb in ("subscribe", "receive"):
        others += [f"it may only {verb} {topic}" for topic in sorted(allowed[verb] - subscribe)]
    return FoundUser(
        username,
        client.get("clientid"),
        enabled,
        publish=frozenset(allowed["publish"]),
        subscribe=frozenset(subscribe),
        others=tuple(others),
    )


KINDS = {
    "publishClientSend": "publish",
    "publishClientReceive": "receive",
    "subscribeLiteral": "subscribe",
    "subscribePattern": "subscribe",
}


def _sorted_out(acls):
    """Literal topics that are allowed, {kind: set}, and all else in words."""
    allowed, others = {kind: set() for kind in KINDS.values()}, []
    for acl in acls:
        kind, topic = KINDS.get(acl["acltype"], acl["acltype"]), acl["topic"]
        if not acl["allow"]:
            others.append(f"it may not {kind} {topic}")
        elif any(wildcard in topic for wildcard in WILDCARDS):
            others.append(f"it may {kind} {topic}")
        elif kind in allowed:
            allowed[kind].add(topic)
    return allowed, others
