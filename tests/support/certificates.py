"""Authorities and certificates for tests of TLS, made with openssl."""

import subprocess
from pathlib import Path


def _openssl(*words, folder):
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Authority:
    """Signs certificates. `certificate` is the path of its own, which whoever trusts it needs."""

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / f"{name}.pem"
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                 "-out", f"{name}.pem", folder=self.folder)

    def sign(self, name, *names):
        """(certificate, key) for hosts such as "DNS:localhost" and "IP:127.0.0.1"; the paths of PEM files."""
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr", folder=self.folder)
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={','.join(names)}\n")
        _openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key",
                 "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem", folder=self.folder)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"
