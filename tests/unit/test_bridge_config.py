"""Settings: environment over file over settings page over default."""

import traceback
from dataclasses import fields

import pytest

from smart_dairy_iot.bridge.config import (
    Config,
    ConfigError,
    find_overrides,
    load_config,
    load_metrics_port,
    read_file_section,
)
from smart_dairy_iot.bridge.topics import DEVICE_TYPE_PATHS
from stack.paths import ROOT


def test_without_any_setting_the_defaults_hold():
    assert load_config({}, {}, environ={}) == Config()


def test_the_environment_wins_over_the_file_and_the_file_over_the_settings_page():
    config = load_config(
        {"mqtt_broker_host": "file", "mqtt_broker_port": "1"},
        {"mqtt_broker_host": "page", "mqtt_broker_port": "2", "offline_minutes": "9"},
        environ={"SMART_DAIRY_MQTT_BROKER_HOST": "environment"},
    )
    assert (config.mqtt_broker_host, config.mqtt_broker_port, config.offline_minutes) == ("environment", 1, 9)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("no", False)])
def test_booleans_are_read_as_people_write_them(text, value):
    assert load_config({"mqtt_use_tls": text}, {}, environ={}).mqtt_use_tls is value


def test_what_wins_over_the_settings_page_is_told_with_where_it_comes_from():
    found = find_overrides(
        {"mqtt_broker_host": "file", "mqtt_ca_file": "ca.crt", "mqtt_broker_port": "", "unknown": "x"},
        environ={"SMART_DAIRY_MQTT_BROKER_HOST": "environment", "SMART_DAIRY_MQTT_USE_TLS": ""},
    )
    assert found == {"mqtt_broker_host": ("environment", "environment"), "mqtt_ca_file": ("file", "ca.crt")}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("mqtt_use_tls", "perhaps"),
        ("mqtt_broker_type", "rabbit"),
        ("bridge_receive_maximum", "32768"),
        ("mqtt_broker_port", "mqtt"),
        ("mqtt_broker_port", "0"),
        ("mqtt_broker_port", "65536"),
        ("mqtt_auth_db_port", "-1"),
        ("metrics_port", "65536"),
        ("password_grace_hours", "-1"),
        ("bridge_batch_size", "0"),
        ("offline_minutes", "0"),
        ("offline_minutes_collar", "-1"),
        ("bridge_share_group", "dairy/+"),
        ("bridge_share_group", "dairy"),  # with Mosquitto, which is the default
        ("emqx_api_url", "localhost:18083"),
        ("emqx_api_url", "ftp://localhost/"),
        ("emqx_api_url", "http://[::1"),
        ("emqx_api_url", "http://key:secret@localhost/"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_the_setting(key, text):
    with pytest.raises(ConfigError, match=key):
        load_config({key: text}, {}, environ={})


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("metrics_port", "0", 0),
        ("password_grace_hours", "0", 0),
        ("offline_minutes_collar", "0", 0),
        ("mqtt_broker_port", "65535", 65535),
        ("emqx_api_url", "https://emqx.example/api/v5", "https://emqx.example/api/v5"),
    ],
)
def test_values_at_the_edge_of_what_can_be_are_taken(key, text, value):
    assert getattr(load_config({key: text}, {}, environ={}), key) == value


def test_bridges_share_the_load_on_emqx():
    config = load_config({"bridge_share_group": "dairy", "mqtt_broker_type": "emqx"}, {}, environ={})
    assert config.bridge_share_group == "dairy"


def test_the_metrics_port_is_read_without_the_settings_page_and_whatever_the_other_settings_need_of_it():
    section = {"metrics_port": "9100", "bridge_share_group": "dairy"}
    assert load_metrics_port(section, environ={}) == 9100, "that the broker is EMQX is said on the settings page"
    assert load_metrics_port(section, environ={"SMART_DAIRY_METRICS_PORT": "9200"}) == 9200
    assert load_metrics_port({}, environ={}) == 0
    with pytest.raises(ConfigError, match="metrics_port"):
        load_metrics_port({"metrics_port": "65536"}, environ={})


def test_no_complaint_repeats_a_password():
    with pytest.raises(ConfigError) as raised:
        load_config({"emqx_api_url": "http://key:secret@localhost/"}, {}, environ={})
    assert "secret" not in str(raised.value)


def test_no_password_is_shown_when_a_config_is_printed():
    assert "secret" not in repr(Config(mqtt_bridge_password="secret", mqtt_admin_password="secret"))


def test_only_the_section_of_ours_is_read_from_the_file(tmp_path):
    path = tmp_path / "odoo.conf"
    path.write_text("[options]\nmqtt_broker_host = no\n[smart_dairy_iot]\nmqtt_broker_host = 100%.example\n")
    assert read_file_section(path) == {"mqtt_broker_host": "100%.example"}


@pytest.mark.parametrize("line", [b"mqtt_bridge_password secret", b"mqtt_bridge_password = secret \xff"])
def test_of_a_file_that_cannot_be_read_no_line_is_quoted(tmp_path, line):
    path = tmp_path / "odoo.conf"
    path.write_bytes(b"[smart_dairy_iot]\n" + line + b"\n")
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        read_file_section(path)
    assert "secret" not in "".join(traceback.format_exception(raised.value))


def test_a_file_without_the_section_or_no_file_gives_nothing(tmp_path):
    path = tmp_path / "odoo.conf"
    path.write_text("[options]\n")
    assert read_file_section(path) == read_file_section(tmp_path / "missing.conf") == {}


def test_a_type_without_a_time_of_its_own_is_offline_after_the_general_one():
    config = Config(offline_minutes=5, offline_minutes_collar=60)
    assert (config.offline_minutes_of("collar"), config.offline_minutes_of("gate")) == (60, 5)


def test_every_type_of_device_can_have_a_time_of_its_own():
    assert {Config().offline_minutes_of(device_type) for device_type in DEVICE_TYPE_PATHS} == {5}


def test_the_example_file_documents_every_key_and_the_defaults_but_for_where_the_broker_s_ca_is():
    section = read_file_section(ROOT / "odoo.conf")
    assert section.keys() == {field.name for field in fields(Config)}
    assert load_config({**section, "mqtt_ca_file": ""}, {}, environ={}) == Config()


def test_the_example_file_holds_no_secret():
    section = read_file_section(ROOT / "odoo.conf")
    assert not any(section[name] for name in section if name.endswith("_password"))
