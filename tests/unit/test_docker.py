"""docker-compose.yml and the Dockerfile, read by the tools that will read them, without a Docker engine."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.settings import PREFIX, PROJECT_DIR, Settings
from sources.gateway.tokens import ANYONE, read_tokens

COMPOSE_FILE = PROJECT_DIR / "docker-compose.yml"
DOCKERFILE = PROJECT_DIR / "deploy" / "Dockerfile"
OURS = ("topics", "detector", "publisher", "gateway", "notifier", "dashboard", "simulator")


def tool(name: str) -> Path:
    """A program of requirements/dev.txt, beside the interpreter. Missing: fails in CI, else skips."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        assert not os.environ.get("CI"), f"{path} is missing: make check installs it"
        pytest.skip(f"{path} is missing: make check installs it")
    return path


def parse(compose_file: Path) -> subprocess.CompletedProcess[str]:
    """What Docker Compose's own parser makes of a file, every profile on."""
    options = ["--file", str(compose_file), "--profile", "*", "config", "--format", "json"]
    return subprocess.run(
        [str(tool("docker-compose")), *options],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of docker-compose.yml with everything resolved."""
    parsed = parse(COMPOSE_FILE)
    assert parsed.returncode == 0, parsed.stderr
    found: dict[str, Any] = json.loads(parsed.stdout)["services"]
    return found


def test_the_parser_refuses_a_wrong_file(tmp_path: Path) -> None:
    """The real parser knows the format; one that accepts all would prove nothing."""
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE_FILE.read_text().replace("read_only:", "readonly:"))
    parsed = parse(wrong)
    assert parsed.returncode != 0
    assert "readonly" in parsed.stderr


def test_compose_parses_without_a_warning() -> None:
    """An unset variable is only a warning, and then an empty text."""
    assert parse(COMPOSE_FILE).stderr == ""


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists(name: str, services: dict[str, Any]) -> None:
    """A container with a wrong SMARTBANK_ name would stop at its start."""
    environment = services[name]["environment"]
    assert any(variable.startswith(PREFIX) for variable in environment)
    Settings.from_env(environment)


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists_with_its_options(name: str, services: dict[str, Any]) -> None:
    """Options are parsed before --help is obeyed, so a renamed one is found."""
    result = CliRunner().invoke(cli, [*services[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", OURS)
def test_containers_may_do_no_more_than_they_need(name: str, services: dict[str, Any]) -> None:
    """Whoever takes over a worker finds no file to write to, no capability and no way to root."""
    service = services[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name not in {"gateway", "dashboard"}:
        assert "ports" not in service, "a fixed port of the host, and a second container cannot start"
    assert "container_name" not in service, "a fixed name, and a second container cannot start"


def test_services_start_in_order(services: dict[str, Any]) -> None:
    """Workers only verify topics: they must exist first, and before that a broker that answers."""
    conditions = {
        (name, other): dependency["condition"]
        for name in OURS
        for other, dependency in services[name]["depends_on"].items()
    }
    assert conditions == {
        ("topics", "kafka"): "service_healthy",
        ("detector", "topics"): "service_completed_successfully",
        ("publisher", "topics"): "service_completed_successfully",
        ("gateway", "topics"): "service_completed_successfully",
        ("dashboard", "topics"): "service_completed_successfully",
        ("notifier", "topics"): "service_completed_successfully",
        ("simulator", "topics"): "service_completed_successfully",
    }
    assert services["gateway"]["profiles"] == ["gateway"]
    assert services["dashboard"]["profiles"] == ["page"]
    assert services["notifier"]["profiles"] == ["notify"]
    assert f":{Settings().notify_web_port}/readyz" in services["notifier"]["healthcheck"]["test"][-1]
    assert services["simulator"]["profiles"] == ["simulate"]
    assert services["detector"]["restart"] == "unless-stopped"


def test_kafka_is_the_release_that_the_tests_run_on(services: dict[str, Any]) -> None:
    """deploy/kafka/pom.xml and the image are raised together."""
    pom = (PROJECT_DIR / "deploy" / "kafka" / "pom.xml").read_text()
    version = re.search(r"<kafka.version>(.+)</kafka.version>", pom)
    assert version is not None
    assert services["kafka"]["image"] == f"apache/kafka:{version[1]}"
    assert [port["host_ip"] for port in services["kafka"]["ports"]] == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["detector", "publisher"])
def test_workers_read_the_mounted_key_and_keep_their_tables(name: str, services: dict[str, Any]) -> None:
    """Without the key it would make a development key, other in each container."""
    worker = services[name]
    assert [secret["target"] for secret in worker["secrets"]] == [
        worker["environment"]["SMARTBANK_TOKEN_KEY_FILE"]
    ]
    (volume,) = worker["volumes"]
    assert f'VOLUME ["{volume["target"]}"]' in DOCKERFILE.read_text()


def test_the_publisher_is_asked_at_its_own_port(services: dict[str, Any]) -> None:
    """The image's health check asks the detector's."""
    assert (
        f"127.0.0.1:{Settings().publisher_web_port}/readyz"
        in services["publisher"]["healthcheck"]["test"][-1]
    )


def test_gateway_reads_the_mounted_tokens_and_is_reached_from_this_machine_only(
    services: dict[str, Any],
) -> None:
    """Tokens go in clear to it: TLS is for what stands before it."""
    gateway = services["gateway"]
    assert gateway["command"][-1] == gateway["secrets"][0]["target"]
    (port,) = gateway["ports"]
    assert (port["host_ip"], port["target"]) == ("127.0.0.1", Settings().gateway_port)
    assert f":{port['target']}/readyz" in gateway["healthcheck"]["test"][-1]


def test_tokens_of_make_up_are_those_of_the_gateway(tmp_path: Path) -> None:
    """One for the fleet."""
    make = ["make", "--silent", "--file", str(PROJECT_DIR / "Makefile"), ".run/secrets/gateway_tokens"]
    subprocess.run(make, cwd=tmp_path, check=True)
    path = tmp_path / ".run" / "secrets" / "gateway_tokens"
    assert read_tokens(path).sender(f"Bearer {path.read_text().strip()}") == ANYONE


def test_key_of_make_up_is_for_one_user_and_the_container_only(tmp_path: Path) -> None:
    """A mounted secret keeps its owner: the folder keeps others out, the file lets the container in."""
    made = subprocess.run(
        ["make", "--silent", "--file", str(PROJECT_DIR / "Makefile"), ".run/secrets/token_key"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    key = tmp_path / ".run" / "secrets" / "token_key"
    assert re.fullmatch(r"k1:[0-9a-f]{64}\n", key.read_text())
    assert stat.S_IMODE(key.stat().st_mode) == 0o644
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_dockerfile_passes_the_linter() -> None:
    """Hadolint, with nothing ignored."""
    linted = subprocess.run(
        [str(tool("hadolint")), "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_image_runs_as_nobody_and_asks_the_workers_own_port() -> None:
    """What the linter does not look at."""
    lines = DOCKERFILE.read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert 'ENTRYPOINT ["python", "-m", "app"]' in lines
    assert f"EXPOSE {Settings().web_port}" in lines
    assert f"http://127.0.0.1:{Settings().web_port}/readyz" in DOCKERFILE.read_text()


def test_image_holds_every_package_and_nothing_else() -> None:
    """.dockerignore names what goes in: a new package must be added, a secret cannot slip in."""
    lines = (PROJECT_DIR / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = {path.parent.name for path in PROJECT_DIR.glob("*/__init__.py")} - {"tests", "bench", "docs"}
    assert let_in == packages | {"requirements/runtime.txt"}


WATCHERS = ("prometheus", "alertmanager", "grafana", "grafana-sensors")


@pytest.mark.parametrize("name", WATCHERS)
def test_watchers_are_pinned_and_reached_from_this_machine_only(name: str, services: dict[str, Any]) -> None:
    """And find what is mounted, and no capability."""
    service = services[name]
    assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"])
    assert [port["host_ip"] for port in service["ports"]] == ["127.0.0.1"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    for volume in service["volumes"]:
        assert volume["type"] == "volume" or (Path(volume["source"]).exists() and volume["read_only"])


def test_watchers_are_the_releases_that_rules_and_dashboards_are_tested_with(
    services: dict[str, Any],
) -> None:
    """Prometheus and Alertmanager as Debian has them; the types that dashboards are held to."""
    for name, program in (("prometheus", "promtool"), ("alertmanager", "amtool")):
        if shutil.which(program) is None:
            assert not os.environ.get("CI"), f"{program} is missing"
            pytest.skip(f"{program} is missing: apt-get install prometheus prometheus-alertmanager")
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        version = re.search(r"version (\d+\.\d+\.\d+)", told.stdout + told.stderr)
        assert version is not None
        assert services[name]["image"] == f"prom/{name}:v{version[1]}"
    (schemas,) = (PROJECT_DIR / "tests" / "unit" / "data").glob("grafana-*.schemas.json.gz")
    for name in ("grafana", "grafana-sensors"):
        assert (
            f"{services[name]['image'].replace('grafana/grafana:', 'grafana-')}.schemas.json.gz"
            == schemas.name
        )


@pytest.mark.parametrize(("name", "folder"), [("grafana", "operators"), ("grafana-sensors", "sensors")])
def test_grafana_has_what_its_sources_ask_for(name: str, folder: str, services: dict[str, Any]) -> None:
    """Each $NAME of a data source is in its environment, each file a secret."""
    text = "".join(
        path.read_text()
        for path in (PROJECT_DIR / "deploy" / "grafana" / folder).glob("provisioning/*/*.yml")
    )
    values = re.findall(r": (\$.*)$", text, re.MULTILINE)
    wanted = {value.removeprefix("$") for value in values if not value.startswith("$__file")}
    assert wanted <= set(services[name]["environment"])
    files = set(re.findall(r"\$__file{(.+)}", text)) | {
        services[name]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    }
    assert files == mounted_secrets(services[name])
    (dashboards,) = re.findall(r"path: (\S+)$", text, re.MULTILINE)
    assert dashboards in {volume["target"] for volume in services[name]["volumes"]}


def test_alertmanager_finds_its_secrets(services: dict[str, Any]) -> None:
    """By the names in its configuration."""
    text = (PROJECT_DIR / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
    assert set(re.findall(r"_file: (\S+)", text)) == mounted_secrets(services["alertmanager"])


def mounted_secrets(service: dict[str, Any]) -> set[str]:
    """Where they are in its container."""
    return {str(Path("/run/secrets") / secret["target"]) for secret in service["secrets"]}


def test_prometheus_scrapes_services_that_are_there(services: dict[str, Any]) -> None:
    """At the ports that their settings have; sinks and the bridge are for whoever adds them."""
    text = (PROJECT_DIR / "deploy" / "prometheus" / "prometheus.yml").read_text()
    scraped = {
        job: int(port) for job, port in re.findall(r"job_name: (\w+)\n +dns_sd_configs: .*port: (\d+)", text)
    }
    settings = Settings()
    known = {
        "detector": settings.web_port,
        "publisher": settings.publisher_web_port,
        "sink": settings.web_port,
        "gateway": settings.gateway_metrics_port,
        "bridge": settings.iot_web_port,
        "dashboard": settings.dashboard_port,
    }
    assert known.items() <= scraped.items()
    assert {"detector", "publisher", "gateway"} <= set(services)
