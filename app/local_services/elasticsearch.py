"""Elasticsearch without Docker, from Maven's jars: the server without its modules (no ILM, no Kibana).

OpenSearch could be had in the same way, but Elastic's client refuses to speak to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from app.local_broker.jars import fetch_jars, find_java, run_command
from app.local_broker.run_files import locked
from app.local_services.local_server import LocalServer, cache_dir, made_at_once
from app.settings import PROJECT_DIR

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = "7.17.28"  # deploy/elasticsearch/pom.xml says it too; a test holds them equal
DEPLOY_DIR: Final = PROJECT_DIR / "deploy" / "elasticsearch"
_MAIN_CLASS: Final = "LocalElasticsearch"


class LocalElasticsearch(LocalServer):
    """A single node. Java >= 17; Maven until its jars are there."""

    name: ClassVar[str] = f"Elasticsearch {VERSION}"
    start_timeout_s: ClassVar[float] = 180.0  # 3 s, and a minute where ten processes want two cores

    def fetch(self) -> None:
        """Fetch the jars (35 MB), and compile the few lines that start a node from them."""
        libs, classes = _libs_dir(), _classes_dir()
        fetch_jars(libs, self.progress, DEPLOY_DIR / "pom.xml", f"{self.name} (35 MB)")
        with locked(libs.parent / "lock"):
            if classes.is_dir():
                return
            java, _ = find_java()
            jars = ":".join(str(jar) for jar in sorted(libs.glob("*.jar")))
            with made_at_once(classes) as made:
                # Eclipse's compiler is one of the jars: a Java that only runs programs has none.
                compiler = [java, "-cp", jars, "org.eclipse.jdt.internal.compiler.batch.Main"]
                source = str(DEPLOY_DIR / f"{_MAIN_CLASS}.java")
                run_command(
                    [*compiler, "-17", "-nowarn", "-cp", jars, "-d", str(made), source], "ecj", timeout_s=120
                )

    def _command(self, port: int) -> tuple[list[str], list[str]]:
        java, _ = find_java()
        libs = _libs_dir()
        options = [
            *("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"),
            f"-Dlog4j2.configurationFile={DEPLOY_DIR / 'log4j2.properties'}",
            *("-cp", f"{_classes_dir()}:{libs}/*"),
        ]
        return [java, *options], [_MAIN_CLASS, str(self.data_dir / "home"), str(port)]

    def _is_ready(self) -> bool:
        return self.answer("/_cluster/health?wait_for_status=yellow&timeout=1s") is not None


def _libs_dir() -> Path:
    return cache_dir() / f"elasticsearch-{VERSION}" / "libs"


def _classes_dir() -> Path:
    return cache_dir() / f"elasticsearch-{VERSION}" / "classes"
