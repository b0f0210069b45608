"""What a file is, by its first bytes: a short list of types worth accepting, and no guesses beyond it."""

from __future__ import annotations

import re

# The theory. An upload is accepted when its extension and its content are both on the application's list and agree.
# That needs a yes or no for a dozen types; a library that names hundreds answers another question, and its guesses
# (any zip is "docx", any "ID3" is music) would be ours. So: signatures that cannot be anything else, then text that
# is text throughout, then nothing.
#
# Markup is told apart from text only to be refused as text: a browser that opens it runs its scripts. SVG, XHTML
# and feeds are all "text/xml" here, and no extension agrees with that.

ENOUGH_BYTES = 4096
"""How much of a file's head `sniff` looks at."""

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),  # with nothing in it
    (b"\x1f\x8b\x08", "application/gzip"),
    # With its version, as a table may well begin with a column "ID3".
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    # MPEG-1 and MPEG-2 layer III, with and without a checksum; shorter ones would meet UTF-16 marks.
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xfa", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS\x00", "audio/ogg"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
# ISO media files name their brand after "ftyp"; the four bytes before are the box's length, always a small number.
_BRANDS = {
    **dict.fromkeys((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V "), "video/mp4"),
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"avif": "image/avif",
}
_UTF8_MARK = b"\xef\xbb\xbf"
# Tab, line feed, form feed and carriage return are text; escape, NUL and the rest are not.
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|style|title|table|a|div|font|br|p|h1)[\s>/]", re.IGNORECASE
)
_MARKUP = re.compile(rb"<[!?a-z]", re.IGNORECASE)
_JSON = re.compile(rb"\{\s*(?:[\"}]|$)|\[\s*(?:[\"{\[\]0-9\-]|true|false|null|$)")

_EXTENSIONS: dict[str, tuple[str, frozenset[str]]] = {
    extension: (kind, frozenset(sniffed or (kind,)))
    for extensions, kind, sniffed in (
        ("png", "image/png", ()),
        ("jpg jpeg", "image/jpeg", ()),
        ("gif", "image/gif", ()),
        ("webp", "image/webp", ()),
        ("avif", "image/avif", ()),
        ("pdf", "application/pdf", ()),
        ("zip", "application/zip", ()),
        ("gz", "application/gzip", ()),
        ("mp4 m4v", "video/mp4", ()),
        ("mov", "video/quicktime", ()),
        ("m4a", "audio/mp4", ("audio/mp4", "video/mp4")),
        ("mp3", "audio/mpeg", ()),
        ("ogg oga", "audio/ogg", ()),
        ("wav", "audio/wav", ()),
        # A text may begin like JSON, and a JSON file may be a lone number; neither is a disguise.
        ("txt log", "text/plain", ("text/plain", "application/json")),
        ("md", "text/markdown", ("text/plain", "application/json")),
        ("csv", "text/csv", ("text/plain", "application/json")),
        ("json", "application/json", ("application/json", "text/plain")),
        # Office files are zip archives; which one is inside, and that is not opened.
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ("application/zip",)),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ("application/zip",)),
        ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", ("application/zip",)),
        ("odt", "application/vnd.oasis.opendocument.text", ("application/zip",)),
        ("ods", "application/vnd.oasis.opendocument.spreadsheet", ("application/zip",)),
    )
    for extension in extensions.split()
}


def sniff(head: bytes) -> str | None:
    """The content type that the first bytes of a file show, or None when they show none that we know.

    Nothing at all is an empty text. The bytes come from anyone, and a file can be several things at once: this says
    what it begins as, and serving it as what it was stored as, with `nosniff`, keeps it from becoming another.
    """
    head = head[:ENOUGH_BYTES]
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head.startswith(b"RIFF") and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head.startswith(b"\0\0") and head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return _sniff_text(head)


def agrees(extension: str, sniffed: str | None) -> bool:
    """Whether a file with this extension (`.png`, `PNG`) may be what its first bytes showed."""
    known = _EXTENSIONS.get(extension.removeprefix(".").lower())
    return known is not None and sniffed in known[1]


def type_of(extension: str) -> str | None:
    """The content type under which a file with this extension is stored and served, or None for an unknown one."""
    known = _EXTENSIONS.get(extension.removeprefix(".").lower())
    return known[0] if known is not None else None


def _sniff_text(head: bytes) -> str | None:
    text = head.removeprefix(_UTF8_MARK)
    if _BINARY.search(text):
        return None
    try:
        text.decode()
    except UnicodeDecodeError as broken:
        # A head may end within a character; anything else is no UTF-8.
        if broken.reason != "unexpected end of data":
            return None
    start = text.lstrip()
    if _HTML.match(start):
        return "text/html"
    if _MARKUP.match(start):
        return "text/xml"
    return "application/json" if _JSON.match(start) else "text/plain"
