"""Which tests a store can be put to: what it has not cannot be taken from it."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the pairs of a test that `needs` something and a store that `lacks` it."""
    left_out = [item for item in items if _lacks(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _lacks(item: pytest.Item) -> bool:
    needs = item.get_closest_marker("needs")
    return needs is not None and needs.args[0] in item.callspec.params["running"].lacks  # type: ignore[attr-defined]
