"""Finds conflicting rows directly by the rule: compares every open row."""

from collections.abc import Mapping, Sequence

from uploader.model.records import Record


def linked(record: Record, open_rows: Sequence[Record], waits: Mapping[int, set[int]]) -> set[int]:
    """Positions of the open rows that a new row is linked to by a chain of open rows.

    Two of them are linked if they share a unique value, or one of them waits for the other.
    """
    left = {row.position: row for row in open_rows}
    found, reached = set(), [record]
    while reached:
        row = reached.pop()
        for other in list(left.values()):
            first, second = sorted((row.position, other.position))
            if set(row.lock_keys) & set(other.lock_keys) or first in waits.get(second, ()):
                del left[other.position]
                found.add(other.position)
                reached.append(other)
    return found
