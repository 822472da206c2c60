"""A small Sigstore on this machine: Fulcio's certificates with SCTs, Rekor's log (v1), and GitHub's tokens.

Each part does what a verifier checks: certificates by a root of its own with a timestamp of a CT log, entries in a
Merkle tree with inclusion proofs, a signed checkpoint and a signed entry timestamp. Not here: TUF, by which the public
trust root is fetched, timestamp authorities, and version 2 of Rekor.

RFC 6962; https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
BEARER = "a-jobs-bearer"
SHA256 = hashes.SHA256()


def _der(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _utf8(text: str) -> bytes:
    data = text.encode()
    length = bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])
    return b"\x0c" + length + data


def _octets(data: bytes) -> bytes:
    length = bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])
    return b"\x04" + length + data


class CertificateIssuer:
    """Fulcio: certifies the key of whoever shows a token that this machine's forge signed, for ten minutes."""

    def __init__(self) -> None:
        self.key, self.ct_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.moment = datetime.now(UTC).replace(microsecond=0)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a root of tests")])
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.moment - timedelta(days=1))
            .not_valid_after(self.moment + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, SHA256)
        )

    def certify(self, request: x509.CertificateSigningRequest, claims: dict[str, Any]) -> x509.Certificate:
        name, extensions = _identity(claims)
        now = datetime.now(UTC).replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=5))
            .not_valid_after(now + timedelta(minutes=10))
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)]), critical=True)
        )
        for number, value in extensions.items():
            oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, _utf8(value)), critical=False)
        pre = builder.sign(self.key, SHA256)
        timestamps = x509.UnrecognizedExtension(SCT_LIST, _octets(self._timestamp(pre.tbs_certificate_bytes)))
        return builder.add_extension(timestamps, critical=False).sign(self.key, SHA256)

    def _timestamp(self, certificate: bytes) -> bytes:
        """Return a list of one timestamp of the CT log, over the certificate without it."""
        moment = int(time.time() * 1000)
        entry = hashlib.sha256(_der(self.key)).digest() + struct.pack("!I", len(certificate))[1:] + certificate
        signature = self.ct_key.sign(struct.pack("!BBQH", 0, 0, moment, 1) + entry + b"\0\0", ec.ECDSA(SHA256))
        log = hashlib.sha256(_der(self.ct_key)).digest()
        sct = struct.pack("!B32sQHBBH", 0, log, moment, 0, 4, 3, len(signature)) + signature
        return struct.pack("!HH", len(sct) + 2, len(sct)) + sct


def _usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: on.get(name, False) for name in names.split()})


def _identity(claims: dict[str, Any]) -> tuple[str, dict[int, str]]:
    """Return the name and the extensions that Fulcio gives a job of GitHub or GitLab."""
    if "job_workflow_ref" in claims:
        page, identifier = f"https://github.com/{claims['repository']}", claims["repository_id"]
        name, ref = f"https://github.com/{claims['job_workflow_ref']}", claims["ref"]
    else:
        page, identifier = f"{claims['iss']}/{claims['project_path']}", claims["project_id"]
        name, ref = f"https://{claims['ci_config_ref_uri']}", f"refs/heads/{claims['ref']}"
    return name, {8: claims["iss"], 9: name, 12: page, 14: ref, 15: identifier}


class TransparencyLog:
    """Rekor: a Merkle tree of entries, each answered with a proof that it is in the tree and a signed time."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.leaves: list[bytes] = []
        self.lock = threading.Lock()
        self.add(b"an entry of somebody else")
        self.add(b"and one more")

    def add(self, body: bytes) -> int:
        with self.lock:
            self.leaves.append(hashlib.sha256(b"\0" + body).digest())
            return len(self.leaves) - 1

    def entry(self, proposed: dict[str, Any]) -> dict[str, Any]:
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])
        (verifier,) = content["verifiers"]
        signatures = [{"signature": each["sig"], "verifier": verifier} for each in envelope["signatures"]]
        key = x509.load_pem_x509_certificate(base64.b64decode(verifier)).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        kind = envelope["payloadType"]
        signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
        key.verify(base64.b64decode(signatures[0]["signature"]), signed, ec.ECDSA(SHA256))
        body = _canonical(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": _hash(content["envelope"].encode()),
                    "payloadHash": _hash(payload),
                    "signatures": signatures,
                },
            }
        )
        return self._integrated(body, self.add(body))

    def _integrated(self, body: bytes, index: int) -> dict[str, Any]:
        size, log = len(self.leaves), hashlib.sha256(_der(self.key)).digest()
        root = _root(self.leaves[:size])
        note = f"a log of tests\n{size}\n{_b64(root)}\n"
        sealed = _b64(log[:4] + self.key.sign(note.encode(), ec.ECDSA(SHA256)))
        entry = {"body": _b64(body), "integratedTime": int(time.time()), "logID": log.hex(), "logIndex": index}
        promise = self.key.sign(_canonical(entry), ec.ECDSA(SHA256))
        proof = {
            "logIndex": index,
            "rootHash": root.hex(),
            "treeSize": size,
            "hashes": [each.hex() for each in _path(index, self.leaves[:size])],
            "checkpoint": f"{note}\n\u2014 rekor.tests {sealed}\n",
        }
        verification = {"inclusionProof": proof, "signedEntryTimestamp": _b64(promise)}
        return {"0" * 64: {**entry, "verification": verification}}


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _split(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    at = _split(len(leaves))
    return hashlib.sha256(b"\1" + _root(leaves[:at]) + _root(leaves[at:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    at = _split(len(leaves))
    if index < at:
        return [*_path(index, leaves[:at]), _root(leaves[at:])]
    return [*_path(index - at, leaves[at:]), _root(leaves[:at])]


class SigstoreServices:
    """All services under one address, for as long as the context lasts. `down` makes Rekor fail."""

    def __init__(self) -> None:
        self.fulcio, self.rekor = CertificateIssuer(), TransparencyLog()
        self.forge_key = ec.generate_private_key(ec.SECP256R1())
        self.claims: dict[str, Any] = {}
        self.down = False
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        return jwt.encode({"iat": now, "exp": now + 300, **self.claims, **claims}, self.forge_key, "ES256")

    def config(self) -> dict[str, Any]:
        """The trust configuration that a client of these services has."""
        since = {"start": "2020-01-01T00:00:00Z"}
        service = {"url": self.url, "majorApiVersion": 1, "validFor": since, "operator": "tests"}
        authority = {
            "subject": {"organization": "tests", "commonName": "a root of tests"},
            "uri": self.url,
            "certChain": {"certificates": [{"rawBytes": _b64(self.fulcio.root.public_bytes(Encoding.DER))}]},
            "validFor": since,
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [self._log(self.rekor.key, since)],
                "certificateAuthorities": [authority],
                "ctlogs": [self._log(self.fulcio.ct_key, since)],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "rekorTlogUrls": [service],
                "rekorTlogConfig": {"selector": "ANY"},
            },
        }

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.config()))

    def _log(self, key: Any, since: dict[str, str]) -> dict[str, Any]:
        public = {"rawBytes": _b64(_der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since}
        log = {"keyId": _b64(hashlib.sha256(_der(key)).digest())}
        return {"baseUrl": self.url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": log}


def _handler(services: SigstoreServices) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            services.requests.append(f"GET {self.path}")
            query = parse_qs(urlsplit(self.path).query)
            if self.headers["Authorization"] != f"Bearer {BEARER}":
                self._answer(401, {"message": "who are you"})
            else:
                self._answer(200, {"value": services.token(aud=query["audience"][0])})

        def do_POST(self) -> None:
            services.requests.append(f"POST {self.path}")
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/api/v2/signingCert":
                self._certificate(document)
            elif services.down:
                self._answer(500, {"message": "the log is full"})
            else:
                self._answer(201, services.rekor.entry(document))

        def _certificate(self, document: dict[str, Any]) -> None:
            token = self.headers["Authorization"].removeprefix("Bearer ")
            try:
                claims = jwt.decode(token, services.forge_key.public_key(), ["ES256"], audience="sigstore")
            except jwt.InvalidTokenError as error:
                self._answer(401, {"message": str(error)})
                return
            pem = base64.b64decode(document["certificateSigningRequest"])
            certificate = services.fulcio.certify(x509.load_pem_x509_csr(pem), claims)
            chain = [each.public_bytes(Encoding.PEM).decode() for each in (certificate, services.fulcio.root)]
            self._answer(200, {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
