"""Settings: environment over file over settings page over default."""

import pytest

from smart_dairy_iot.bridge.config import Config, ConfigError, load_config, read_file_section
from smart_dairy_iot.bridge.topics import DEVICE_TYPE_PATHS


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


@pytest.mark.parametrize(("key", "text"), [("mqtt_use_tls", "perhaps"), ("mqtt_broker_port", "mqtt")])
def test_a_value_that_cannot_be_is_an_error_that_names_the_setting(key, text):
    with pytest.raises(ConfigError, match=key):
        load_config({key: text}, {}, environ={})


def test_no_password_is_shown_when_a_config_is_printed():
    assert "secret" not in repr(Config(mqtt_bridge_password="secret", mqtt_admin_password="secret"))


def test_only_the_section_of_ours_is_read_from_the_file(tmp_path):
    path = tmp_path / "odoo.conf"
    path.write_text("[options]\nmqtt_broker_host = no\n[smart_dairy_iot]\nmqtt_broker_host = 100%.example\n")
    assert read_file_section(path) == {"mqtt_broker_host": "100%.example"}


def test_a_file_without_the_section_or_no_file_gives_nothing(tmp_path):
    path = tmp_path / "odoo.conf"
    path.write_text("[options]\n")
    assert read_file_section(path) == read_file_section(tmp_path / "missing.conf") == {}


def test_a_type_without_a_time_of_its_own_is_offline_after_the_general_one():
    config = Config(offline_minutes=5, offline_minutes_collar=60)
    assert (config.offline_minutes_of("collar"), config.offline_minutes_of("gate")) == (60, 5)


def test_every_type_of_device_can_have_a_time_of_its_own():
    assert {Config().offline_minutes_of(device_type) for device_type in DEVICE_TYPE_PATHS} == {5}
