"""The locks hold what is asked for, from any index, on any machine; every dependency has its reason."""

import re
from pathlib import Path

import pytest

from app.settings import PROJECT_DIR

FOLDER = PROJECT_DIR / "requirements"
GROUPS = sorted(path.stem for path in FOLDER.glob("*.in"))


def asked_for(group: str) -> dict[str, str]:
    """What a .in file asks for: name -> its exact version, or nothing; a bound is the lock's business."""
    found = {}
    for line in (FOLDER / f"{group}.in").read_text().splitlines():
        requirement = line.split("#")[0].split(";")[0].strip()
        if requirement and not requirement.startswith("-"):
            name, _, version = requirement.partition("==")
            found[name.split("<")[0]] = version
    return found


def locked(group: str) -> dict[str, set[str]]:
    """What a lock pins: name -> versions (several where they differ by platform)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9-]+)==([^ ]+)", (FOLDER / f"{group}.txt").read_text(), re.MULTILINE
    ):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_lock_holds_what_is_asked_for(group: str) -> None:
    """An edited .in without `make requirements` would install something else."""
    for name, version in asked_for(group).items():
        assert name in locked(group), f"{name}: run make requirements"
        assert not version or locked(group)[name] == {version}, f"{name}: run make requirements"


@pytest.mark.parametrize("group", GROUPS)
def test_lock_is_hashed_and_names_no_place(group: str) -> None:
    """No index, no path: every machine says itself where it fetches from."""
    text = (FOLDER / f"{group}.txt").read_text()
    requirements = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"://|--index|--find-links|--extra-index|file:|(?<![\w-])/\w", text)


def test_groups_agree() -> None:
    """The group dev is installed on top of runtime: no package may be pinned twice."""
    runtime = locked("runtime")
    for group in GROUPS:
        for name, versions in locked(group).items():
            assert runtime.get(name, versions) == versions, f"{name}: run make requirements"


@pytest.mark.parametrize("group", GROUPS)
def test_every_dependency_has_its_reason(group: str) -> None:
    """docs/dependencies.md says why, in the section of the group, and names nothing that is gone."""
    text = Path(PROJECT_DIR / "docs" / "dependencies.md").read_text()
    section = text.split(f"\n## {group}\n")[1].split("\n## ")[0]
    explained = re.findall(r"^\| ([a-z0-9-]+) \| \S.{10,}\|$", section, re.MULTILINE)
    assert [name for name in explained if name != "package"] == sorted(asked_for(group))
