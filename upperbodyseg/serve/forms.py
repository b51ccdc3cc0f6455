"""What a request brings: a picture as its body, or a multipart form. Nothing is written to disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from upperbodyseg.http.limits import RefusedError

__all__ = ["Upload", "parse_upload"]

_MAX_PARTS = 32
_MAX_FIELD = 2**16  # bytes of a part that is no file


@dataclass(frozen=True)
class Upload:
    """What came.

    Attributes:
        files: content by the name of the part; a body that is no form is ``file``.
        fields: other parts, as text.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


def parse_upload(content_type: str, body: bytes) -> Upload:
    """Take a body apart.

    Args:
        content_type: the request's header; "" if there is none.
        body: the whole body.

    Raises:
        RefusedError: a malformed form (400), or neither a picture nor a form (415).
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 256:
            raise RefusedError(400, "the form's content type names no boundary")
        return _parse_form(boundary, body)
    if kind in (b"", b"application/octet-stream") or kind.startswith(b"image/"):
        return Upload(files={"file": body} if body else {})
    raise RefusedError(415, "send the picture as the body, as image/* say, or in a multipart/form-data form")


def _parse_form(boundary: bytes, body: bytes) -> Upload:
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_header_field": parts.header_field,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_end": parts.finish,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise RefusedError(400, f"the form is malformed: {exc}") from exc
    if not parts.finished:
        raise RefusedError(400, "the form is malformed: its closing boundary is missing")
    return parts.upload


class _Parts:
    """The parser's callbacks."""

    def __init__(self) -> None:
        self.upload = Upload()
        self.finished = False
        self._count = 0

    def begin(self) -> None:
        self._count += 1
        if self._count > _MAX_PARTS:
            raise RefusedError(400, f"the form has more than {_MAX_PARTS} parts")
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._content = bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]

    def end(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise RefusedError(400, "the form is malformed: a part has no name")
        name = options[b"name"].decode("utf-8", "replace")
        if name in self.upload.files:
            raise RefusedError(400, f"the form has two pictures {name[:40]!r}: send one a request")
        # curl and browsers name a file; some clients give its type alone.
        is_file = b"filename" in options or self._headers.get(b"content-type", b"").startswith(b"image/")
        if is_file or name == "file":
            self.upload.files[name] = bytes(self._content)
        elif len(self._content) > _MAX_FIELD:
            raise RefusedError(413, f"the form's part {name[:40]!r} has more than {_MAX_FIELD} bytes")
        else:
            self.upload.fields[name] = self._content.decode("utf-8", "replace")
        self._content = bytearray()

    def finish(self) -> None:
        self.finished = True
