"""The compose file and configuration of EMQX fit together, as far as can be told without a Docker engine."""

import re
from pathlib import Path

import pytest
import yaml
from pyhocon import ConfigFactory

DIRECTORY = Path(__file__).parents[2] / "docker" / "emqx"
GENERATED = {"./certs"}
"""What generate_mqtt_certs.sh and Odoo make, and no commit has."""
SECRET = re.compile(r"PASSWORD|COOKIE|SECRET|API_KEY|content", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{(\w+)(:\?)?\}")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DIRECTORY / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def conf():
    return ConfigFactory.parse_file(str(DIRECTORY / "config" / "emqx.conf"))


@pytest.fixture(scope="module")
def nodes(compose):
    return {name: service for name, service in compose["services"].items() if service["image"].startswith("emqx/")}


# From the schema of 5.8.7 (apps/emqx/src/emqx_schema.erl, apps/emqx_retainer/src/emqx_retainer_schema.erl): what a
# section may have, as far as one could think of using it.
MQTT = """
    max_packet_size max_clientid_len max_topic_levels max_topic_alias retain_available wildcard_subscription
    shared_subscription shared_subscription_strategy exclusive_subscription ignore_loop_deliver strict_mode
    server_keepalive keepalive_multiplier keepalive_check_interval retry_interval idle_timeout use_username_as_clientid
    peer_cert_as_username peer_cert_as_clientid client_attrs_init clientid_override session_expiry_interval
    message_expiry_interval max_awaiting_rel max_qos_allowed mqueue_priorities mqueue_default_priority
    mqueue_store_qos0 max_mqueue_len max_inflight max_subscriptions upgrade_qos await_rel_timeout
"""
LISTENER = """
    enable bind acceptors max_connections mountpoint zone enable_authn max_conn_rate messages_rate bytes_rate
    access_rules proxy_protocol proxy_protocol_timeout tcp_options ssl_options authentication
"""
WEBSOCKET = """
    mqtt_path mqtt_piggyback compress idle_timeout max_frame_size fail_if_no_subprotocol supported_subprotocols
    check_origin_enable allow_origin_absence check_origins proxy_address_header proxy_port_header deflate_opts
    validate_utf8
"""
RETAINER = """
    enable msg_expiry_interval msg_expiry_interval_override allow_never_expire msg_clear_interval max_payload_size
    stop_publish_clear_msg delivery_rate max_publish_rate backend
"""


def sections(conf):
    """{where: (what EMQX knows there, what is given)} of the sections that say what clients may do."""
    found = {"mqtt": (MQTT, conf["mqtt"]), "retainer": (RETAINER, conf["retainer"])}
    found["retainer.backend"] = ("type storage_type max_retained_messages index_specs enable", conf["retainer.backend"])
    for name, zone in conf["zones"].items():
        found[f"zones.{name}"] = ("mqtt flapping_detect force_shutdown", zone)
        found[f"zones.{name}.mqtt"] = (MQTT, zone["mqtt"])
    for kind, listeners in conf["listeners"].items():
        for name, listener in listeners.items():
            allowed = f"{LISTENER} websocket" if kind in ("ws", "wss") else LISTENER
            found[f"listeners.{kind}.{name}"] = (allowed, listener)
            found[f"listeners.{kind}.{name}.websocket"] = (WEBSOCKET, listener.get("websocket", {}))
    return {where: (set(known.split()), given) for where, (known, given) in found.items()}


def leaves(value, name=""):
    """All (key, text) of a document."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, key)
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child, name)
    else:
        yield name, str(value)


def test_every_image_is_pinned_and_emqx_to_the_last_series_with_a_free_cluster(compose, nodes):
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+[\w.-]*", service["image"]), name
    assert {service["image"].partition(":")[2].rpartition(".")[0] for service in nodes.values()} == {"5.8"}
    assert compose["services"]["auth-db"]["image"].startswith("postgres:16.")


def test_two_nodes_form_the_cluster_under_the_names_that_the_configuration_seeds(nodes, conf):
    names = {service["environment"]["EMQX_NODE__NAME"] for service in nodes.values()}
    assert len(names) == 2
    assert names == set(conf["cluster.static.seeds"])
    assert conf["cluster.discovery_strategy"] == "static"
    for service in nodes.values():
        host = service["environment"]["EMQX_NODE__NAME"].partition("@")[2]
        assert "." in host, "a node's name is fully qualified"
        assert service["hostname"] == host
        assert host in service["networks"]["broker"]["aliases"]


def test_no_secret_stands_in_a_file_and_none_may_be_left_out(compose, conf):
    for key, value in leaves(compose):
        if SECRET.search(key):
            remainder = VARIABLE.sub("", value).strip(':"')
            assert not remainder, f"{key} is given literally"
        for variable, required in VARIABLE.findall(value):
            assert required, f"{variable} may be empty"
    assert not [key for key, _value in leaves(conf) if re.search(r"password$|cookie|secret", key)]


def test_the_example_environment_names_every_variable_and_gives_no_secret(compose):
    text = (DIRECTORY / ".env.example").read_text()
    example = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    used = {variable for _key, value in leaves(compose) for variable, _required in VARIABLE.findall(value)}
    assert example.keys() == used
    given = {name for name, value in example.items() if value}
    assert given == {"SMART_DAIRY_EMQX_API_KEY", "ODOO_URL"}
    assert ".env" in (DIRECTORY / ".gitignore").read_text().replace("/", "").split()


def test_every_file_and_volume_that_a_container_mounts_is_there(compose):
    for service in compose["services"].values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("."):
                assert source in GENERATED or (DIRECTORY / source).exists(), source
            else:
                assert source in compose["volumes"]
        for config in service.get("configs", []):
            assert config["source"] in compose["configs"]


def test_the_container_mounts_what_the_configuration_reads(nodes, conf):
    for service in nodes.values():
        targets = {mount.split(":")[1] for mount in service["volumes"]}
        assert {"/opt/emqx/etc/emqx.conf", "/opt/emqx/etc/certs"} <= targets
        assert conf["node.data_dir"] in targets
        assert conf["api_key.bootstrap_file"] in {config["target"] for config in service["configs"]}


def test_every_service_says_whether_it_is_well_and_emqx_waits_for_its_database(compose, nodes):
    assert all("healthcheck" in service for service in compose["services"].values())
    for service in nodes.values():
        assert service["depends_on"]["auth-db"]["condition"] == "service_healthy"


def test_only_tls_for_devices_is_open_to_other_machines(compose, nodes):
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    from_outside = {port.rpartition(":")[2] for port in ports if not port.startswith("127.0.0.1:")}
    assert from_outside == {"8883", "8884", "8084"}
    assert "1883" not in " ".join(ports)


# ---------------------------------------------------------------------- emqx.conf


def test_every_listener_is_tls_1_3_or_1_2_and_the_others_are_off(conf):
    listeners = conf["listeners"]
    for kind in ("tcp", "ws"):
        assert [listener["enable"] for listener in listeners[kind].values()] == [False]
    for listener in (*listeners["ssl"].values(), *listeners["wss"].values()):
        assert listener["ssl_options"]["versions"] == ["tlsv1.3", "tlsv1.2"]


def test_a_listener_that_asks_for_no_password_asks_for_a_certificate_that_names_the_client(conf):
    for listener in conf["listeners.ssl"].values():
        if listener.get("enable_authn", True):
            continue
        options = listener["ssl_options"]
        assert options["verify"] == "verify_peer"
        assert options["fail_if_no_peer_cert"] is True
        assert options["enable_crl_check"] is True
        assert options["cacertfile"].endswith("device-ca.crt")
        mqtt = conf["zones"][listener["zone"]]["mqtt"]
        assert mqtt["peer_cert_as_username"] == mqtt["peer_cert_as_clientid"] == "cn"


def test_the_listener_for_websocket_asks_for_a_password_and_believes_no_header(conf):
    (listener,) = conf["listeners.wss"].values()
    assert listener["enable"] is True
    assert listener.get("enable_authn", True) is True
    assert listener["ssl_options"]["verify"] == "verify_none", "a CRL is not checked there"
    assert listener["websocket"]["proxy_address_header"] == listener["websocket"]["proxy_port_header"] == ""


def test_every_setting_is_one_that_emqx_5_8_knows_or_it_would_not_start(conf):
    for where, (known, given) in sections(conf).items():
        assert set(given) <= known, where


def test_every_retained_message_that_may_be_sent_is_kept(conf):
    retainer = conf["retainer"]
    assert retainer["max_payload_size"] == conf["mqtt.max_packet_size"]
    assert retainer["max_publish_rate"] == "infinity", "beyond it they are delivered and not retained"
    assert retainer["backend"]["storage_type"] == "disc"
    assert retainer["backend"]["max_retained_messages"] > 0


def test_what_is_not_allowed_is_denied_and_there_is_no_file_of_rules(conf):
    authorization = conf["authorization"]
    assert authorization["no_match"] == "deny"
    assert [source["type"] for source in authorization["sources"]] == ["postgresql"]
    assert re.search(r"ORDER BY a\.id\s*$", authorization["sources"][0]["query"])


def test_no_query_is_given_a_password_which_emqx_would_log_when_it_fails(conf):
    for query in (conf["authentication"][0]["query"], conf["authorization"]["sources"][0]["query"]):
        assert set(re.findall(r"\$\{(\w+)\}", query)) == {"username", "clientid"}
        assert "is_superuser" not in query


def test_what_emqx_tells_odoo_is_signed_over_all_that_it_says(conf):
    rule = conf["rule_engine.rules.device_connections"]
    sql = " ".join(rule["sql"].split())
    said = re.search(r"SELECT (.*?), sha256\(", sql)[1].replace("coalesce(reason, '') as reason", "reason").split(", ")
    signed = re.search(r"sha256\( (.*) \) as signature", sql)[1].replace("coalesce(reason, '')", "reason")
    secret = "getenv('WEBHOOK_PASSWORD')"
    assert signed.split(" + ':' + ") == [secret, *said, secret]
    assert {"event", "clientid", "username", "timestamp", "peername", "reason"} == set(said)
    (action,) = rule["actions"]
    kind, name = action.split(":")
    assert conf["actions"][kind][name]["connector"] in conf["connectors"][kind]
