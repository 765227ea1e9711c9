"""A broker that asks who you are (SCRAM, mutual TLS) and what you may do (ACLs), with its certificates."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from app.local_broker.config import BrokerConfig, Listener, ports_of
from app.local_broker.local_kafka import LocalKafka
from app.settings import PROJECT_DIR

Security = Literal["sasl_ssl", "ssl"]
USERS = (
    "admin",
    "faust",
    "publisher",
    "operator",
    "auditor",
    "bank",
    "alerts",
    "gateway",
    "bridge",
    "sink",
    "clerk",
    "notifier",
)

# Starts a second sooner; throughput is nothing here.
FAST = BrokerConfig(jvm_options=(*BrokerConfig().jvm_options, "-XX:TieredStopAtLevel=1"))


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl there."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def make_pki(folder: Path, *names: str) -> None:
    """Write ca.pem and, for every name, NAME.crt, NAME.key and both with the CA as NAME.pem."""
    key = ("-newkey", "rsa:2048", "-nodes")
    openssl(
        folder, "req", "-x509", *key, "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"
    )
    usage = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
    (folder / "extensions").write_text(usage)
    for name in names:
        openssl(folder, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = (
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
        )
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.crt")
        parts = [(folder / part).read_text() for part in (f"{name}.key", f"{name}.crt", "ca.pem")]
        (folder / f"{name}.pem").write_text("".join(parts))


def secured_broker(pki: Path, scram_users: Mapping[str, str]) -> BrokerConfig:
    """Return a broker with SCRAM and mTLS listeners that denies whatever no ACL allows."""
    return replace(
        FAST,
        listeners=(
            Listener(name="CLIENT", protocol="SASL_SSL", advertised_host="localhost"),
            Listener(name="MTLS", protocol="SSL", advertised_host="localhost"),
        ),
        controller=Listener(name="CONTROLLER", protocol="SSL", advertised_host="localhost"),
        inter_broker_listener="MTLS",
        scram_users=scram_users,
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(pki / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(pki / "ca.pem"),
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:broker;User:admin",
        },
    )


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """A running secured broker. Every user may come by password or by certificate; `admin` may do all."""

    pki: Path
    ports: Mapping[str, int]

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        """Start one with the ACLs that docs/kafka_security.md grants; stop it in the end."""
        pki = folder / "pki"
        pki.mkdir()
        make_pki(pki, "broker", *USERS)
        broker = LocalKafka(folder / "kafka", secured_broker(pki, {name: password(name) for name in USERS}))
        broker.start()
        try:
            self = cls(pki, ports_of((broker.data_dir / "server.properties").read_text()))
            self.grant_what_the_documentation_says()
            yield self
        finally:
            broker.stop()

    def address(self, security: Security) -> str:
        """host:port of the listener."""
        return f"localhost:{self.ports['CLIENT' if security == 'sasl_ssl' else 'MTLS']}"

    def settings(self, user: str, security: Security, *, is_password_in_file: bool = False) -> dict[str, str]:
        """SMARTBANK_* variables with which `user` connects."""
        common = {"BOOTSTRAP": self.address(security), "SECURITY": security, "CA_FILE": f"{self.pki}/ca.pem"}
        if security == "ssl":
            own = {"CERT_FILE": f"{self.pki}/{user}.crt", "KEY_FILE": f"{self.pki}/{user}.key"}
        elif is_password_in_file:
            path = self.pki / f"{user}.password"
            path.write_text(f"{password(user)}\n")
            own = {"USERNAME": user, "PASSWORD_FILE": str(path)}
        else:
            own = {"USERNAME": user, "PASSWORD": password(user)}
        return {f"SMARTBANK_KAFKA_{name}": value for name, value in (common | own).items()}

    def librdkafka_options(self, user: str, security: Security) -> dict[str, Any]:
        """The same for confluent_kafka."""
        options = {
            "bootstrap.servers": self.address(security),
            "security.protocol": security,
            "ssl.ca.location": f"{self.pki}/ca.pem",
        }
        if security == "ssl":
            return options | {
                "ssl.certificate.location": f"{self.pki}/{user}.crt",
                "ssl.key.location": f"{self.pki}/{user}.key",
            }
        login = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user, "sasl.password": password(user)}
        return options | login

    def grant_what_the_documentation_says(self) -> None:
        """Create the ACLs, and wait until they hold."""
        admin = AdminClient(self.librdkafka_options("admin", "sasl_ssl"))
        bindings = documented_acls((PROJECT_DIR / "docs" / "kafka_security.md").read_text())
        for created in admin.create_acls(bindings, request_timeout=30).values():
            created.result()


def password(user: str) -> str:
    """A password that shells, properties and SCRAM's own syntax would like to change."""
    return f'{user}, "sésame"=]'


def documented_acls(markdown: str) -> list[AclBinding]:
    """What the `kafka-acls.sh` commands of a text grant."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    for repeated in ("--operation", "--topic", "--group"):
        parser.add_argument(repeated, action="append", default=[])
    bindings = []
    for command in re.findall(r"^kafka-acls\.sh \$ADMIN ((?:.*\\\n)*.*)$", markdown, re.MULTILINE):
        granted = parser.parse_args(shlex.split(command.replace("\\\n", " ")))
        resources = [(ResourceType.TOPIC, name) for name in granted.topic]
        resources += [(ResourceType.GROUP, name) for name in granted.group]
        bindings += [
            AclBinding(
                kind,
                name,
                ResourcePatternType[granted.resource_pattern_type.upper()],
                granted.allow_principal,
                "*",
                AclOperation[re.sub(r"(?<=.)(?=[A-Z])", "_", operation).upper()],
                AclPermissionType.ALLOW,
            )
            for kind, name in resources
            for operation in granted.operation
        ]
    return bindings
