"""The device CA: what it issues, what it refuses, and its revocation list, judged by OpenSSL as the broker would."""

import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smart_dairy_iot.provisioning import certificates
from smart_dairy_iot.provisioning.certificates import Authority, CertificateError, Revoked, describe

NOW = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None)
YEAR = timedelta(days=365)
CRL_URL = "http://dairy.example/iot/crl/1.pem"
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def authority():
    return Authority.generate("Device CA", 3650, NOW)


@pytest.fixture
def device_key():
    return ec.generate_private_key(ec.SECP256R1())


def request(key, cn="whatever", names=()):
    """A certificate request in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(cn))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(text) for text in names]), False)
    return builder.sign(key, digest_for(key)).public_bytes(PEM)


def digest_for(key):
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def issue(authority, key, cn="MI_MM001", not_after=NOW + YEAR, **arguments):
    return authority.issue(request(key, **arguments), cn, not_after, CRL_URL, NOW)


def parsed(facts):
    return x509.load_pem_x509_certificate(facts.pem.encode())


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def private_pem(key, passphrase=None):
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption)


def certificate_of(subject, key, issuer=None, issuer_key=None, ca=True, until=NOW + YEAR, sign=True, since=NOW - YEAR):
    """A certificate made by hand, PEM, for what an administrator might bring."""
    usage = certificates._key_usage(key_cert_sign=sign, crl_sign=sign, digital_signature=True)
    signer = issuer_key or key
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer or subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(signer, digest_for(signer))
        .public_bytes(PEM)
    )


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=30)


def verified(tmp_path, authority, facts, crl=None):
    """Whether OpenSSL takes a certificate for a client's, with the list as a broker would look at it."""
    (tmp_path / "ca.pem").write_text(authority.facts.pem + authority.chain_pem)
    (tmp_path / "device.pem").write_text(facts.pem)
    arguments = ["verify", "-purpose", "sslclient", "-x509_strict", "-CAfile", tmp_path / "ca.pem"]
    if crl:
        (tmp_path / "crl.pem").write_text(crl.pem)
        arguments += ["-crl_check", "-CRLfile", tmp_path / "crl.pem"]
    result = openssl(*arguments, tmp_path / "device.pem")
    return result.returncode == 0, result.stdout + result.stderr


# ---------------------------------------------------------------------- the authority


def test_a_generated_authority_may_sign_devices_and_lists_and_no_further_authority(authority):
    certificate = authority.certificate
    constraints = extension(certificate, x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = extension(certificate, x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)
    assert authority.facts.not_after == NOW + timedelta(days=3650)


def test_an_authority_is_loaded_again_from_its_texts(authority):
    again = Authority.load(authority.facts.pem.encode(), authority.key_pem(), authority.chain_pem.encode())
    assert again.facts == authority.facts


def test_an_authority_is_not_loaded_with_the_key_of_another(authority, device_key):
    with pytest.raises(CertificateError, match="key is not that"):
        Authority.load(authority.facts.pem.encode(), private_pem(device_key))


# ---------------------------------------------------------------------- issuing


def test_a_device_is_called_by_the_name_it_is_given_whatever_its_request_says(authority, device_key):
    certificate = parsed(issue(authority, device_key, cn="MI_MM001", names=("admin.example",)))
    assert certificate.subject == name("MI_MM001")
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate, x509.SubjectAlternativeName)
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    assert certificate.public_key().public_bytes(PEM, public) == device_key.public_key().public_bytes(PEM, public)


def test_a_device_s_certificate_is_for_client_authentication_alone_and_says_where_the_list_is(authority, device_key):
    certificate = parsed(issue(authority, device_key))
    assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert extension(certificate, x509.BasicConstraints).value.ca is False
    point = extension(certificate, x509.CRLDistributionPoints).value[0]
    assert [place.value for place in point.full_name] == [CRL_URL]


def test_the_facts_are_those_of_the_certificate(authority, device_key):
    facts = issue(authority, device_key)
    certificate = parsed(facts)
    assert (facts.cn, facts.not_after) == ("MI_MM001", NOW + YEAR)
    assert int(facts.serial_number, 16) == certificate.serial_number
    assert facts.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()
    assert describe(certificate.public_bytes(serialization.Encoding.DER)) == facts


def test_a_device_with_a_slow_clock_may_use_its_certificate_at_once(authority, device_key):
    assert issue(authority, device_key).not_before == NOW - timedelta(hours=1)


def test_serial_numbers_are_random(authority, device_key):
    serials = {int(issue(authority, device_key).serial_number, 16) for _ in range(5)}
    assert len(serials) == 5
    assert min(serials) > 2**64


def test_no_certificate_outlives_the_authority(device_key):
    authority = Authority.generate("Short", 10, NOW)
    assert issue(authority, device_key).not_after == NOW + timedelta(days=10)


def test_an_expired_authority_issues_nothing(device_key):
    authority = Authority.generate("Old", 10, NOW - timedelta(days=20))
    with pytest.raises(CertificateError, match="renew the device CA"):
        issue(authority, device_key)


@pytest.mark.parametrize(
    "make_key",
    [
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["rsa-2048", "p-384", "ed25519"],
)
def test_strong_keys_of_other_kinds_are_taken(authority, make_key, tmp_path):
    assert verified(tmp_path, authority, issue(authority, make_key()))[0]


@pytest.mark.parametrize(
    ("make_key", "message"),
    [
        (lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024), "1024 bits"),
        (lambda: ec.generate_private_key(ec.SECP224R1()), "secp224r1"),
        (lambda: dsa.generate_private_key(key_size=2048), "kind that is not taken"),
    ],
    ids=["rsa-1024", "p-224", "dsa"],
)
def test_weak_keys_are_refused(authority, make_key, message):
    with pytest.raises(CertificateError, match=message):
        issue(authority, make_key())


def test_a_request_that_is_not_signed_with_its_own_key_is_refused(authority, device_key):
    der = bytearray(x509.load_pem_x509_csr(request(device_key)).public_bytes(serialization.Encoding.DER))
    place = bytes(der).index(b"whatever")
    der[place : place + 8] = b"another!"
    with pytest.raises(CertificateError, match="not signed with its own key"):
        authority.issue(bytes(der), "MI_MM001", NOW + YEAR, CRL_URL, NOW)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", b"\x30\x03"])
def test_what_is_no_request_is_refused_in_words(authority, content):
    with pytest.raises(CertificateError, match="no certificate request"):
        authority.issue(content, "MI_MM001", NOW + YEAR, CRL_URL, NOW)


# ---------------------------------------------------------------------- key and certificate as one file


def test_the_bundle_opens_with_its_passphrase_and_holds_key_certificate_and_authority(authority):
    bundle = authority.issue_with_key("MI_MM001", NOW + YEAR, CRL_URL, NOW)
    key, certificate, others = pkcs12.load_key_and_certificates(bundle.pkcs12, bundle.passphrase.encode())
    assert describe(certificate) == bundle.certificate
    assert certificates._public_bytes(key.public_key()) == certificates._public_bytes(certificate.public_key())
    assert others == [authority.certificate]
    with pytest.raises(ValueError):
        pkcs12.load_key_and_certificates(bundle.pkcs12, b"guessed")


def test_a_bundle_shows_neither_key_nor_passphrase_when_it_is_printed(authority):
    bundle = authority.issue_with_key("MI_MM001", NOW + YEAR, CRL_URL, NOW)
    assert repr(bundle) == "KeyBundle('MI_MM001')"


# ---------------------------------------------------------------------- revocation


def test_openssl_takes_a_certificate_until_it_is_in_the_list(authority, device_key, tmp_path):
    facts = issue(authority, device_key)
    assert verified(tmp_path, authority, facts, authority.sign_crl([], 1, CRL_URL, NOW)) == (
        True,
        f"{tmp_path}/device.pem: OK\n",
    )
    revoked = Revoked(facts.serial_number, NOW, "key_compromise")
    accepted, answer = verified(tmp_path, authority, facts, authority.sign_crl([revoked], 2, CRL_URL, NOW))
    assert not accepted
    assert "revoked" in answer


def test_openssl_refuses_every_certificate_once_the_list_is_past_its_time(authority, device_key, tmp_path):
    crl = authority.sign_crl([], 1, CRL_URL, NOW - timedelta(days=8))
    accepted, answer = verified(tmp_path, authority, issue(authority, device_key), crl)
    assert not accepted
    assert "CRL has expired" in answer


def test_the_list_tells_its_number_its_place_and_why(authority):
    entries = [Revoked("abc", NOW, reason) for reason in ("key_compromise", "unspecified")]
    crl = x509.load_pem_x509_crl(authority.sign_crl(entries, 7, CRL_URL, NOW).pem.encode())
    assert crl.is_signature_valid(authority.certificate.public_key())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    place = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert place.critical
    assert [name.value for name in place.value.full_name] == [CRL_URL]
    assert [entry.serial_number for entry in crl] == [0xABC, 0xABC]
    why = [[extension.value for extension in entry.extensions] for entry in crl]
    assert why == [[x509.CRLReason(x509.ReasonFlags.key_compromise)], []]


def test_a_list_is_to_be_renewed_when_half_of_its_time_has_passed(authority):
    crl = authority.sign_crl([], 1, CRL_URL, NOW)
    assert crl.next_update == NOW + timedelta(days=7)
    assert crl.half_life == NOW + timedelta(days=3.5)


def test_the_list_has_a_der_form(authority):
    crl = authority.sign_crl([], 1, CRL_URL, NOW)
    assert x509.load_der_x509_crl(certificates.crl_der(crl.pem)) == x509.load_pem_x509_crl(crl.pem.encode())


# ---------------------------------------------------------------------- an authority from elsewhere


class Elsewhere:
    """A root and an intermediate under it, as a company's own PKI would hand them over."""

    def __init__(self, kind=lambda: ec.generate_private_key(ec.SECP256R1())):
        self.root_key, self.key = kind(), kind()
        self.root = certificate_of("Root", self.root_key)
        self.certificate = self.intermediate()

    def intermediate(self, **values):
        return certificate_of("Devices", self.key, issuer="Root", issuer_key=self.root_key, **values)

    def imported(self, **other):
        arguments = {
            "certificate": self.certificate,
            "key": private_pem(self.key),
            "passphrase": None,
            "chain": self.root,
            "now": NOW,
        }
        return Authority.import_intermediate(**{**arguments, **other})


@pytest.fixture(scope="module")
def elsewhere():
    return Elsewhere()


@pytest.mark.parametrize(
    "kind",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["ec", "rsa", "ed25519"],
)
def test_an_intermediate_issues_and_revokes_for_brokers_that_know_its_chain(kind, device_key, tmp_path):
    authority = Elsewhere(kind).imported()
    facts = issue(authority, device_key)
    (tmp_path / "ca.pem").write_text(authority.facts.pem + authority.chain_pem)
    (tmp_path / "device.pem").write_text(facts.pem)
    result = openssl("verify", "-purpose", "sslclient", "-CAfile", tmp_path / "ca.pem", tmp_path / "device.pem")
    assert result.returncode == 0, result.stderr
    crl = x509.load_pem_x509_crl(authority.sign_crl([Revoked(facts.serial_number, NOW)], 1, CRL_URL, NOW).pem.encode())
    assert crl.get_revoked_certificate_by_serial_number(int(facts.serial_number, 16))


def test_the_chain_may_be_in_any_order_and_hold_more_than_needed(elsewhere):
    other = certificate_of("Other", ec.generate_private_key(ec.SECP256R1()))
    authority = elsewhere.imported(chain=other + elsewhere.certificate + elsewhere.root)
    assert authority.chain_pem.encode() == elsewhere.root


def test_an_encrypted_key_opens_with_its_passphrase_alone(elsewhere):
    key = private_pem(elsewhere.key, "secret")
    assert elsewhere.imported(key=key, passphrase="secret").facts.cn == "Devices"
    with pytest.raises(CertificateError, match="passphrase is missing"):
        elsewhere.imported(key=key)
    with pytest.raises(CertificateError, match="passphrase is not its own"):
        elsewhere.imported(key=key, passphrase="guessed")
    with pytest.raises(CertificateError, match="has no passphrase"):
        elsewhere.imported(passphrase="secret")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ca": False, "sign": False}, "CA:TRUE"),
        ({"sign": False}, "may not sign"),
        ({"until": NOW - timedelta(days=1)}, "not valid now"),
        ({"since": NOW + timedelta(days=1)}, "not valid now"),
    ],
    ids=["no authority", "may not sign", "expired", "not yet valid"],
)
def test_an_intermediate_that_cannot_serve_is_refused(elsewhere, values, message):
    with pytest.raises(CertificateError, match=message):
        elsewhere.imported(certificate=elsewhere.intermediate(**values))


def test_an_intermediate_without_its_root_or_with_a_false_one_is_refused(elsewhere):
    with pytest.raises(CertificateError, match="does not lead to a root"):
        elsewhere.imported(chain=b"")
    with pytest.raises(CertificateError, match="does not lead to a root"):
        elsewhere.imported(chain=certificate_of("Root", ec.generate_private_key(ec.SECP256R1())))


def test_the_key_of_another_is_refused(elsewhere, device_key):
    with pytest.raises(CertificateError, match="key is not that"):
        elsewhere.imported(key=private_pem(device_key))


@pytest.mark.parametrize("part", ["certificate", "key"])
def test_files_that_are_something_else_are_refused_in_words(elsewhere, part):
    with pytest.raises(CertificateError, match="This is no"):
        elsewhere.imported(**{part: b"rubbish"})
