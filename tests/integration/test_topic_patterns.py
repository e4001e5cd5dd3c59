"""A pattern that an administrator changes moves all that follows from it: topics, rights, subscriptions and routes."""

import json
from contextlib import closing

from mqtt_client import MqttClient
from smart_dairy_iot.bridge.config import Config
from support import Database, Farm, eventually, log_in

READINGS = "SELECT temperature FROM iot_temperature_reading WHERE iot_device_id = %s ORDER BY id"


def test_a_changed_pattern_moves_topics_rights_subscriptions_and_routes(broker, odoo_server):
    odoo = log_in(odoo_server)
    stored = Database(odoo_server.postgres.dsn(odoo_server.database))
    sensor = Farm(odoo, "MOVES").provision("TS-MOVES")
    config = Config(mqtt_broker_host=broker.host, mqtt_broker_port=broker.port, mqtt_ca_file=str(broker.ca_file))
    old, new = "dairy/MOVES/temperature/TS-MOVES/data", "dairy/MOVES/thermometers/TS-MOVES/data"

    def publish(topic, temperature):
        """Whether the broker takes it of the device."""
        access = sensor.credentials
        with closing(MqttClient(config, access.client_id, access.username, access.password)) as client:
            return client.publish(topic, json.dumps(sensor.payload(temperature=temperature)).encode())

    def temperatures():
        return [row["temperature"] for row in stored.rows(READINGS, sensor.record_id)]

    assert (publish(old, 1.0), publish(new, 2.0)) == (True, False)
    eventually(lambda: temperatures() == [1.0], temperatures)
    domain = [("device_type", "=", "temperature"), ("message_type", "=", "data")]
    topic_ids = odoo.call("iot.topic.hierarchy", "search", domain)
    pattern = "dairy/{farm_id}/thermometers/{device_id}/data"
    odoo.call("iot.topic.hierarchy", "write", topic_ids, {"topic_pattern": pattern})
    assert sensor.read("data_topic")["data_topic"] == new
    assert (publish(old, 3.0), publish(new, 4.0)) == (False, True)
    eventually(lambda: temperatures() == [1.0, 4.0], temperatures)
