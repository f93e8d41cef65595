"""Certificates made for one test, by the openssl command."""

import ssl
import subprocess
from pathlib import Path

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def _openssl(*words, stdin=None):
    subprocess.run(
        ["openssl", *map(str, words)], input=stdin, capture_output=True, check=True
    )


class Authority:
    """Signs certificates; all files are in folder."""

    def __init__(self, folder, name="ca"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        _openssl("req", "-x509", *EC, "-keyout", self.key, "-out", self.file,
                 "-subj", f"/CN={name}", "-days", 2)  # fmt: skip

    def sign(self, name, host="localhost", days=30):
        """(certificate, key) for that host; days below 0: it has ended."""
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, names = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        names.write_text(f"subjectAltName=DNS:{host}\n")
        _openssl("req", *EC, "-keyout", key, "-out", request, "-subj", f"/CN={host}")
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key,
                 "-CAcreateserial", "-days", days, "-extfile", names, "-out", cert)  # fmt: skip
        key.chmod(0o600)
        return cert, key

    def context(self, **changes):
        """What a client needs that trusts this authority."""
        context = ssl.create_default_context(cafile=str(self.file))
        for name, value in changes.items():
            setattr(context, name, value)
        return context


def settings(pair, **more):
    """The section [http] for a certificate and its key."""
    return {"http": {"tls_cert": pair[0], "tls_key": pair[1], **more}}
