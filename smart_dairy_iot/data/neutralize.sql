-- A copy for trying things out must not take over the broker session of the database that it was copied from: the messages
-- of the real devices would come here, and be lost there. Nor may it change their users at the broker, in the
-- authentication database or over the broker's API, or issue certificates. In a neutralised database the server's file and
-- environment do not count (`iot.settings`), so what is left is the page, of which nothing may lead to the original.
INSERT INTO ir_config_parameter (key, value)
VALUES ('iot.bridge_enabled', 'false')
    ON CONFLICT (key) DO UPDATE SET value = 'false';
DELETE FROM ir_config_parameter
 WHERE starts_with(key, 'iot.mqtt_') OR starts_with(key, 'iot.emqx_') OR key = 'iot.device_ca_dir';
-- What the original has yet to tell its broker, the original tells it.
DELETE FROM iot_provisioning_entry WHERE state = 'waiting';
