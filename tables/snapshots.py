"""The publisher's tables: snapshots of sketches, with the offsets that are in each."""

from collections.abc import Iterable, Mapping

import faust

from sketches.notebook import Notebook, Snapshot
from streaming.cascade import Stage
from streaming.layout import StructLayout
from streaming.struct_table import StructTable


class SnapshotTable(StructTable[Snapshot]):
    """Key: the name of a sketch, with a key behind a slash where there are several; or a device id, UTF-8.

    Value: a Snapshot. Changelog {app id}-{name}-changelog: compacted, co-partitioned with the inputs.
    """

    def __init__(self, app: faust.App, name: str, partitions: int, *, help: str) -> None:  # noqa: A002 (Faust's word)
        super().__init__(app, name=name, layout=StructLayout(Snapshot), partitions=partitions, help=help)

    def notebook(self, partition: int, *, with_keys: bool) -> Notebook:
        """The pages of a partition, on its rows. `with_keys` looks through all rows for their keys."""

        def load(keys: Iterable[bytes]) -> Mapping[bytes, Snapshot]:
            keys = list(keys)
            view = self.view(partition, keys)
            return {key: row for key in keys if (row := view.get(key)) is not None}

        keys = (key for key, _ in self.data.partition(partition).items()) if with_keys else ()
        return Notebook(load, keys)

    def put_changes(self, partition: int, notebook: Notebook) -> Stage:
        """Put what changed in a notebook into the store; return what sends it to the changelog."""
        view = self.view(partition, ())
        for key, row in notebook.changes():
            if row is None:
                del view[key]
            else:
                view[key] = row
        return self.put(partition, view)
