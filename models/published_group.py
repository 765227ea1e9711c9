"""A row of the table groups: rows that were published together."""

import msgspec


class PublishedGroup(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A group of anonymized rows, stored whole before any of it is published: half a group is not a group.

    It lies in tables and changelogs as a msgpack array of its fields in this order.
    """

    offsets: tuple[int, ...]
    """Of the final decisions, in the partition of transaction_decisions that has the table's number."""
    keys: tuple[bytes, ...]
    """The rows' tokens, in the order of `offsets`."""
    rows: tuple[bytes, ...]
    """The rows as they are written to anonymized_transactions (JSON)."""
