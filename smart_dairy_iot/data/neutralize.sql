-- A copy for trying things out must not take over the broker session of the database that it was copied from: the messages
-- of the real devices would come here, and be lost there. Nor may it change their users at the broker.
INSERT INTO ir_config_parameter (key, value)
VALUES ('iot.bridge_enabled', 'false')
    ON CONFLICT (key) DO UPDATE SET value = 'false';
DELETE FROM ir_config_parameter
 WHERE key IN ('iot.mqtt_admin_password', 'iot.mqtt_bridge_password');
