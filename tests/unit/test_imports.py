"""Imports point one way only, and pure rooms stay pure (the table "Rooms" of docs/architecture.md)."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from app.settings import PROJECT_DIR

# A room may import only rooms before it; streaming/ imports none of ours.
ROOMS = (
    "models",
    "detection",
    "sketches",
    "privacy",
    "streaming",
    "tables",
    "sinks",
    "notifications",
    "sources",
    "agents",
    "dashboard",
    "app",
)
PURE = {"models", "detection", "sketches", "privacy"}
IMPURE_MODULES = {
    *("faust", "mode", "aiokafka", "rocksdict", "confluent_kafka", "aiohttp", "prometheus_client", "uvloop"),
    *("asyncio", "threading", "multiprocessing", "concurrent", "subprocess", "signal", "sched", "selectors"),
    *("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "sqlite3", "shelve", "dbm", "mmap", "fcntl"),
    *("os", "io", "pathlib", "shutil", "tempfile", "glob", "fileinput", "logging", "time"),
}
IMPURE_CALLS = {"open", "input", "print", "eval", "exec", "__import__"}
CLOCKS = {"now", "utcnow", "today"}
OPTIONAL = {"pyspark"}  # for one command, which says what to do where it is missing
OUTSIDE_OF_ROOMS = {"tests", "bench", "docs", "deploy"}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that a tree imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def wrong_arrows(room: str, source: str) -> list[str]:
    """What a module of `room` with this source must not import."""
    allowed = {room} if room == "streaming" else set(ROOMS[: ROOMS.index(room) + 1])
    forbidden = (set(ROOMS) | OUTSIDE_OF_ROOMS) - allowed
    return [
        f"{line}: {room}/ must not import {name}"
        for line, name in imported(ast.parse(source))
        if name.startswith(".") or name.split(".")[0] in forbidden
    ]


def impurities(source: str) -> list[str]:
    """Faust, I/O and clocks in the source of a pure room."""
    tree = ast.parse(source)
    found = [
        f"{line}: imports {name}" for line, name in imported(tree) if name.split(".")[0] in IMPURE_MODULES
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) if name in IMPURE_CALLS:
                    found.append(f"{node.lineno}: calls {name}()")
                case ast.Attribute(attr=name) if name in CLOCKS:
                    found.append(f"{node.lineno}: reads a clock with {name}()")
    return found


def modules(*rooms: str) -> list[tuple[str, Path]]:
    """Every module of the given rooms that exist."""
    return [(room, path) for room in rooms for path in sorted((PROJECT_DIR / room).rglob("*.py"))]


def test_imports_point_one_way() -> None:
    """A rule is tested in microseconds and a store swapped in one line only as long as this holds."""
    wrong = [
        f"{path.relative_to(PROJECT_DIR)}:{arrow}"
        for room, path in modules(*ROOMS)
        for arrow in wrong_arrows(room, path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_rooms_touch_neither_faust_nor_the_outside_nor_a_clock() -> None:
    """Time and chance are arguments there."""
    wrong = [
        f"{path.relative_to(PROJECT_DIR)}:{impurity}"
        for _, path in modules(*sorted(PURE))
        for impurity in impurities(path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


def test_every_package_has_a_room() -> None:
    """A package outside of the table would be checked by nobody."""
    packages = {path.parent.name for path in PROJECT_DIR.glob("*/__init__.py")}
    assert packages <= set(ROOMS) | OUTSIDE_OF_ROOMS


def test_every_import_from_outside_is_a_direct_dependency() -> None:
    """What comes with another package today may not tomorrow."""
    direct = {line.split(";")[0].split("==")[0].strip() for line in requirement_lines("runtime.in")}
    providers = packages_distributions()
    wrong = [
        f"{path.relative_to(PROJECT_DIR)}:{line}: {name} is not in requirements/runtime.in"
        for _, path in modules(*ROOMS)
        for line, name in imported(ast.parse(path.read_text()))
        if (top := name.split(".")[0]) not in {*ROOMS, *OPTIONAL, *sys.stdlib_module_names, "__future__"}
        and not direct & {provider.lower().replace("_", "-") for provider in providers.get(top, ())}
    ]
    assert not wrong, "\n".join(wrong)


def requirement_lines(name: str) -> list[str]:
    """The packages that a file under requirements/ asks for."""
    lines = (PROJECT_DIR / "requirements" / name).read_text().splitlines()
    bare = (line.split("#")[0].strip() for line in lines)
    return [line for line in bare if line and not line.startswith("-")]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("detection", "import app.settings"),
        ("detection", "from streaming.errors import RecordError"),
        ("streaming", "from models.fix import Fix"),
        ("models", "import detection"),
        ("tables", "def late():\n    from agents import decide"),
        ("sinks", "if TYPE_CHECKING:\n    import sources.simulation.simulator"),
        ("agents", "from ..app import topics"),
        ("app", "from tests import conftest"),
    ],
)
def test_a_wrong_arrow_is_found(room: str, source: str) -> None:
    """Also inside a function, behind TYPE_CHECKING and as a relative import."""
    assert wrong_arrows(room, source)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("detection", "from models.fix import Fix\nfrom detection.geodesy import distance_m"),
        ("streaming", "import faust\nfrom streaming.errors import RecordError"),
        ("app", "import agents.decide, streaming, models.fix"),
        ("agents", "import application"),
    ],
)
def test_a_right_arrow_is_not(room: str, source: str) -> None:
    """Names that only begin like a room are strangers."""
    assert not wrong_arrows(room, source)


@pytest.mark.parametrize(
    "source",
    [
        "import faust",
        "from aiokafka.errors import KafkaError",
        "import socket",
        "from pathlib import Path",
        "from time import monotonic",
        "with open('x') as f: pass",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime as d\nx = d.date.today()",
    ],
)
def test_an_impurity_is_found(source: str) -> None:
    """The guard of the pure rooms fails where it should."""
    assert impurities(source)


def test_arithmetic_on_times_is_pure() -> None:
    """Only the clock is out of bounds, not time."""
    assert not impurities("from datetime import datetime\nx = datetime.fromisoformat(text)\nimport hashlib")
