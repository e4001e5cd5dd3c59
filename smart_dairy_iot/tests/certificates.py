"""What the tests of certificates share: a device CA whose key lies in a directory of the test's own, and requests."""

import base64
import os
import shutil
import tempfile
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..provisioning.certificates import Authority
from .common import IotCase

CRL_ADDRESS = "http://dairy.example"


class CertificateCase(IotCase):
    """An administrator has set up a device CA."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = tempfile.mkdtemp(prefix="device_ca_")
        os.chmod(cls.keys, 0o700)
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        settings = patch.dict(os.environ, {"SMART_DAIRY_DEVICE_CA_DIR": cls.keys})
        settings.start()
        cls.addClassCleanup(settings.stop)
        # A database of its own may have one already.
        cls.env["iot.certificate.authority"].search([("state", "=", "issuing")]).state = "retired"
        cls.authority = cls.set_up(cls)
        with open(cls.key_file(cls, cls.authority), "rb") as file:
            cls.key = file.read()

    def setUp(self):
        super().setUp()
        # The database is as it was before each test, and so is to be the directory.
        for name in os.listdir(self.keys):
            os.unlink(os.path.join(self.keys, name))
        self.env["iot.certificate.authority"]._keys().write(self.authority.fingerprint, self.key)

    def set_up(self, user=None, **values):
        """Set up a device CA with the wizard, as the administrator; returns its record."""
        wizards = self.env["iot.certificate.authority.wizard"].with_user(user or self.admin)
        wizard = wizards.create({"name": "Device CA", "crl_address": CRL_ADDRESS, **values})
        return wizard.authority_id.sudo()

    def key_file(self, authority):
        return os.path.join(self.keys, f"{authority.fingerprint}.key")

    def issue(self, device, days=365, **values):
        """Issue a certificate over a key that the device made; returns its record."""
        return device._issue_certificate(request(), days, **values)

    def crl(self, authority=None):
        """The authority's revocation list, which it has signed."""
        authority = authority or self.authority
        crl = x509.load_pem_x509_crl(authority.crl_pem.encode())
        issuer = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
        self.assertTrue(crl.is_signature_valid(issuer.public_key()))
        return crl

    def revoked_serials(self, authority=None):
        return [f"{entry.serial_number:x}" for entry in self.crl(authority)]


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def request(key=None, cn="anything"):
    """A certificate request, PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key or new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def own_authority(now, days=3650, name="Own CA"):
    """A root of the farm's own, as files for the wizard: {certificate_file, key_file}."""
    authority = Authority.generate(name, days, now)
    return {
        "certificate_file": base64.b64encode(authority.facts.pem.encode()),
        "key_file": base64.b64encode(authority.key_pem()),
    }
