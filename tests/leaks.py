"""Looks for secrets in whatever bytes came out of a run, in every writing that a program may give them."""

import base64
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, quote_plus

Kind = Literal["text", "number", "degrees", "key"]

_BETWEEN_DIGITS = re.compile(rb"(?<=[0-9])[ ._-](?=[0-9])")
_PLACE_DIGITS = 4  # decimals of a degree: eleven metres


@dataclass(frozen=True, slots=True)
class Secret:
    """What must not be found. `text` of a key is its hex; of degrees, a decimal number."""

    what: str
    kind: Kind
    text: str


def writings(secret: Secret) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each form to look for."""
    if secret.kind == "degrees":
        yield from _of_degrees(float(secret.text))
        return
    raw = bytes.fromhex(secret.text) if secret.kind == "key" else secret.text.encode()
    yield "bytes", raw
    yield "hex", raw.hex().encode()
    yield "Python's escapes", repr(raw)[2:-1].encode()
    for name, form in (("base64", base64.b64encode), ("url-safe base64", base64.urlsafe_b64encode)):
        for skipped in range(3):  # wherever in a longer text it begins
            whole = form(b"\0" * skipped + raw)
            start, end = (skipped * 8 + 5) // 6, (skipped + len(raw)) * 8 // 6
            yield name, whole[start:end]
    if secret.kind != "key":
        yield "JSON", json.dumps(secret.text)[1:-1].encode()
        yield "Python's escapes", ascii(secret.text)[1:-1].encode()
        yield "UTF-16", secret.text.encode("utf-16-le")
        yield "URL", quote(secret.text, safe="").encode()
        yield "form", quote_plus(secret.text).encode()
    if secret.kind == "number":
        for order in "<>":
            yield "binary", struct.pack(f"{order}Q", int(secret.text))


def _of_degrees(degrees: float) -> Iterator[tuple[str, bytes]]:
    cut = re.match(rf"-?[0-9]+\.[0-9]{{{_PLACE_DIGITS}}}", f"{degrees:.9f}")
    assert cut
    yield "text", cut[0].lstrip("-").encode()
    yield "rounded text", f"{abs(degrees):.{_PLACE_DIGITS}f}".encode()
    for order in "<>":
        yield "binary", struct.pack(f"{order}d", degrees)


def leaks(places: Mapping[str, bytes], secrets: Sequence[Secret]) -> list[str]:
    """Where which secret stands, and in which writing. Letters may be in either case, digits apart."""
    needles = [(secret.what, form, needle) for secret in secrets for form, needle in writings(secret)]
    found = []
    for place, content in places.items():
        haystacks = {content, content.lower(), _BETWEEN_DIGITS.sub(b"", content)}
        found += [
            f"{place}: {what} as {form}"
            for what, form, needle in needles
            if any(needle in each or needle.lower() in each for each in haystacks)
        ]
    return list(dict.fromkeys(found))
