"""GPX 1.0 and 1.1: the points of tracks. Waypoints and routes say where nobody has been, and are left out."""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from sources.files.result import Row, Unreadable
from sources.files.text import Bytes

GPX_COLUMNS: Final = ("lat", "lon", "ele", "time", "speed", "course", "accuracy")

_CELLS: Final = {  # by the names of elements, in whatever namespace and extension
    "ele": "ele",
    "time": "time",
    "speed": "speed",
    "course": "course",
    "bearing": "course",
    "accuracy": "accuracy",
    "hacc": "accuracy",
    "horizontalaccuracy": "accuracy",
}
_MOST_BYTES = 1024 * 1024  # between two elements
_MOST_NESTED = 100


class _Bounded:
    """Gives the parser its bytes, and an end to a text that would fill the memory."""

    def __init__(self, file: Bytes) -> None:
        self._file = file
        self.since_element_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.since_element_bytes += len(block)
        if self.since_element_bytes > _MOST_BYTES:
            raise ValueError("has a text of more than a mebibyte")
        return block


class GpxRows:
    """The points of a GPX file, in constant memory; only those read since the file was opened are held."""

    columns = GPX_COLUMNS

    def __init__(self, file: Bytes) -> None:
        self._source = _Bounded(file)
        self._track = self._segment = self._point = 0

    def rows(self) -> Iterator[Row | Unreadable]:
        """Yield the points of all tracks; what is no XML, or an attack, ends them."""
        try:
            yield from self._points()
        except DefusedXmlException:
            reason = "the XML defines entities, which no GPX file needs and attacks do"
        except ParseError as e:
            reason = f"is no XML from line {e.position[0]} on: cut off or damaged"
        except ValueError as e:
            reason = str(e)
        else:
            return
        yield Unreadable(f"after {self._place}" if self._point else "at the beginning", reason)

    @property
    def _place(self) -> str:
        return f"track {self._track}, segment {self._segment}, point {self._point}"

    def _points(self) -> Iterator[Row]:
        open_elements: list[Element] = []
        in_point = 0
        for event, element in iterparse(self._source, ("start", "end")):
            self._source.since_element_bytes = 0
            name = _local_name(element)
            if event == "start":
                open_elements.append(element)
                if len(open_elements) > _MOST_NESTED:
                    raise ValueError("is nested too deeply")
                self._count(name)
                in_point += name == "trkpt"
                continue
            open_elements.pop()
            if name == "trkpt":
                in_point -= 1
                yield Row(self._place, _cells_of(element))
            if not in_point and open_elements:
                open_elements[-1].clear()  # else the tree of the whole file would grow

    def _count(self, name: str) -> None:
        if name == "trk":
            self._track, self._segment = self._track + 1, 0
        elif name == "trkseg":
            self._segment, self._point = self._segment + 1, 0
        elif name == "trkpt":
            self._point += 1


def _cells_of(point: Element) -> dict[str, str]:
    cells = {name: text for name in ("lat", "lon") if (text := point.get(name)) is not None}
    for child in point.iter():
        cell = _CELLS.get(_local_name(child).lower())
        if cell and child.text:
            cells.setdefault(cell, child.text)  # GPX's own come before extensions
    return cells


def _local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
