"""The addons upgrade, grow and uninstall on a database with data, and the log has nothing to complain of.

That they install so is seen to by scripts/test.py, which installs them for all tests.
"""

from dataclasses import replace

from smart_dairy_iot_milk.modbus.registry import SqlRegistry
from stack.odoo_instance import complaints
from stack.paths import addon_dirs
from support import Database, Farm, connected, eventually, log_in, new_code

PROBE = "smart_dairy_iot_probe"
PROBE_MODEL = """
from odoo import fields, models


class IotTemperatureReading(models.Model):
    _inherit = "iot.temperature.reading"

    _payload = {"dew_point": "dew_point"}

    dew_point = fields.Float(readonly=True)
"""
TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_name ~ '^(iot_|milk_)'"


def start_with_history(instance, broker):
    """Start Odoo, provision a device and store its first reading; returns (database, device)."""
    instance.start()
    stored = Database(instance.postgres.dsn(instance.database))
    device = Farm(log_in(instance), new_code()).provision(new_code("TS"))
    publish(broker, stored, device, temperature=1.0)
    return stored, device


def publish(broker, stored, device, **fields):
    """Publish one reading and wait until it is stored."""
    before = count(stored, device)
    with connected(broker, device.credentials) as connection:
        connection.publish(device.topic(), device.payload(**fields))
        eventually(lambda: count(stored, device) == before + 1, "the reading is stored")


def count(stored, device):
    return stored.value("SELECT count(*) FROM iot_temperature_reading WHERE iot_device_id = %s", device.record_id)


def run_odoo(instance, *arguments, what):
    """Run Odoo to its end; returns what its log complains of."""
    return complaints(instance.run_to_end(*arguments, "--stop-after-init", "--no-http", what=what))


def write_probe(folder, model):
    """An addon that extends a telemetry model, as one that knows more of a sensor would.

    :param model: its Python source
    """
    package = folder / PROBE
    package.mkdir(parents=True, exist_ok=True)
    manifest = {
        "name": "Probe",
        "version": "1.0",
        "author": "Smart Dairy IoT",
        "license": "LGPL-3",
        "depends": ["smart_dairy_iot"],
    }
    (package / "__manifest__.py").write_text(repr(manifest))
    (package / "__init__.py").write_text("from . import models\n")
    (package / "models.py").write_text(model)


def test_upgrading_everything_keeps_the_readings_and_adds_a_new_column_of_a_telemetry_model(tmp_path, instance, broker):
    stored, device = start_with_history(instance, broker)
    instance.stop()
    instance.odoo = replace(instance.odoo, addons_path=(*instance.odoo.addons_path, tmp_path))
    write_probe(tmp_path, model="")
    assert run_odoo(instance, "-i", PROBE, what="Installing an addon") == []
    write_probe(tmp_path, model=PROBE_MODEL)
    assert run_odoo(instance, "-u", "all", what="Upgrading all modules") == []
    assert count(stored, device) == 1
    instance.start()
    publish(broker, stored, device, temperature=20.0, dew_point=9.3)
    rows = stored.rows(
        "SELECT temperature, dew_point FROM iot_temperature_reading WHERE iot_device_id = %s ORDER BY timestamp",
        device.record_id,
    )
    assert rows == [{"temperature": 1.0, "dew_point": None}, {"temperature": 20.0, "dew_point": 9.3}]
    assert complaints(instance.log_file.read_text()) == []


def test_uninstalling_removes_tables_and_users_under_a_running_bridge_and_logs_nothing(instance, broker):
    # Odoo refuses to uninstall what its own configuration names as server-wide. The bridge runs all the same: it starts
    # with the addon, which is loaded with the configured database before the server begins to serve.
    instance.bridge = False
    stored, device = start_with_history(instance, broker)
    odoo = log_in(instance)
    names = [path.name for path in addon_dirs(instance.addons_root)]
    ids = odoo.call("ir.module.module", "search", [("name", "in", names), ("state", "=", "installed")])
    assert len(ids) == len(names)
    odoo.call("ir.module.module", "button_immediate_uninstall", ids)
    assert instance.installed().isdisjoint(names)
    assert stored.value(TABLES) == 0
    assert stored.value("SELECT count(*) FROM timescaledb_information.hypertables") == 0
    with connected(broker, device.credentials) as connection:
        assert not connection.connected, "the broker does not know the device any more"
    eventually(lambda: "no longer leads" in instance.log_file.read_text(), "the bridge has ended")
    odoo.call("res.users", "search_count", [])
    assert complaints(instance.log_file.read_text()) == []


def test_where_the_tables_of_the_meters_are_gone_there_is_none_to_poll(bed):
    registry = SqlRegistry(bed.postgres.dsn("postgres"))
    try:
        assert registry.load() == []
    finally:
        registry.close()
