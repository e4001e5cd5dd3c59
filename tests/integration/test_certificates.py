"""A device with a certificate of the product's own, from the device CA to the row in the database, and back off it."""

import base64
import json
import subprocess
import urllib.request

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from device_ca import DeviceCa
from mqtt_client import OFF_SECONDS, MqttClient
from smart_dairy_iot.bridge.config import load_config
from stack.paths import ROOT
from support import Database, Device, Farm, eventually, log_in, new_code

INSTALL_CRL = ROOT / "scripts" / "install_mosquitto_crl.sh"
READINGS = "SELECT temperature FROM iot_temperature_reading WHERE iot_device_id = %s ORDER BY temperature"


@pytest.fixture
def broker(bed, tmp_path):
    """A broker with a listener for certificates, that knows another device CA yet: it does not start without any."""
    other = DeviceCa(tmp_path, "Other CA")
    with bed.broker(f"certified_{tmp_path.name}", (other.ca_file, other.crl_file)) as running:
        yield running


@pytest.fixture
def product(test_bed_and_template, broker, tmp_path):
    """An Odoo of the test's own on that broker."""
    bed, template = test_bed_and_template
    bed.copy_database(template, "certified")
    with bed.instance("certified", broker, device_ca_dir=str(tmp_path / "keys")) as instance:
        yield instance
    bed.drop_database("certified")


class Administrator:
    """Who runs the devices in Odoo, and the broker's machine."""

    def __init__(self, product, broker):
        self.odoo = log_in(product)
        self.product = product
        self.broker = broker

    def set_up_ca(self):
        """Set up a device CA, and let the broker trust it."""
        values = {"name": "Device CA", "crl_address": self.product.url}
        self.odoo.call("iot.certificate.authority.wizard", "create", [values])
        with urllib.request.urlopen(f"{self.product.url}/iot/ca/devices.pem", timeout=10) as response:
            self.broker.certificates.ca_file.write_bytes(response.read())
        self.install_crl()

    def install_crl(self):
        """What cron does on the broker's machine; waits until the broker has read the lists."""
        log = self.broker.log_file
        before = log.read_text().count("Reloading config.")
        files = (self.broker.certificates.ca_file, self.broker.certificates.crl_file)
        command = [INSTALL_CRL, "--pid-file", self.broker.pid_file, f"{self.product.url}/iot/crl/devices.pem", *files]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        eventually(lambda: log.read_text().count("Reloading config.") > before, "the broker reads its files")

    def put_into_service(self, device_id):
        """Register and provision a sensor that identifies itself by a certificate."""
        farm = Farm(self.odoo, new_code())
        record_id = farm.register(device_id)
        self.odoo.call("iot.device", "write", [record_id], {"auth_method": "certificate"})
        self.odoo.call("iot.device", "action_provision", [record_id])
        return Device(farm, record_id, device_id, "temperature", None)

    def issue(self, device, path):
        """Issue a certificate over a key made in Odoo; writes both to a PEM file, as the device's installer would."""
        values = {"iot_device_id": device.record_id, "key_source": "server"}
        wizard = self.odoo.call("iot.device.certificate.wizard", "create", [values])
        context = self.odoo.call("iot.device.certificate.wizard", "action_issue", wizard)["context"]
        key, certificate, _chain = pkcs12.load_key_and_certificates(
            base64.b64decode(context["default_pkcs12"]), context["default_passphrase"].encode()
        )
        path.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return context["default_certificate_id"]

    def revoke(self, certificate_id):
        """Revoke a certificate because its key may be in other hands."""
        values = {"certificate_ids": [(6, 0, [certificate_id])], "reason": "key_compromise"}
        wizard = self.odoo.call("iot.device.certificate.revoke.wizard", "create", [values])
        self.odoo.call("iot.device.certificate.revoke.wizard", "action_revoke", wizard)


def test_a_device_reports_with_its_certificate_until_that_is_revoked_and_again_with_a_new_one(
    product, broker, tmp_path, request
):
    administrator = Administrator(product, broker)
    administrator.set_up_ca()
    device = administrator.put_into_service(new_code("TS"))
    stored = Database(product.postgres.dsn(product.database))

    def connect(path):
        config = load_config(broker.settings(), {}, environ={})
        client = MqttClient(config, f"sd_{device.device_id}", port=broker.certificates.port, certificate=path)
        request.addfinalizer(client.close)
        return client

    def report(connection, temperature):
        assert connection.publish(device.topic(), json.dumps(device.payload(temperature=temperature)))

    def readings():
        return [row["temperature"] for row in stored.rows(READINGS, device.record_id)]

    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    certificate_id = administrator.issue(device, first)
    connection = connect(first)
    report(connection, 4.0)
    eventually(lambda: readings() == [4.0], "the reading is stored")
    assert connection.subscribe(device.topic("commands"))
    assert not connection.publish(device.topic().replace(device.device_id, "TS-OTHER"))

    administrator.revoke(certificate_id)
    assert connection.disconnected.wait(OFF_SECONDS)
    without_rights = connect(first)
    assert without_rights.refused or not without_rights.publish(device.topic())
    administrator.install_crl()
    assert connect(first).refused

    administrator.issue(device, second)
    renewed = connect(second)
    report(renewed, 5.0)
    eventually(lambda: readings() == [4.0, 5.0], "the reading is stored")
    assert connect(first).refused, "the old certificate is as good as none"
