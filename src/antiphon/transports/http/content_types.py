"""What a file's name says it is. One table of our own, so that every machine and every Python answers the same."""

from __future__ import annotations

BINARY = "application/octet-stream"
"""What nobody knows: browsers save it and run nothing of it."""

_TEXT = {
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html htm",
    "text/javascript": "js mjs",
    "text/markdown": "md",
    "text/plain": "txt text log",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
    "text/xml": "xml",
    "text/calendar": "ics",
}
_OTHER = {
    "application/gzip": "gz tgz",
    "application/json": "json map",
    "application/jsonl": "jsonl",
    "application/ld+json": "jsonld",
    "application/manifest+json": "webmanifest",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-fontobject": "eot",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/wasm": "wasm",
    "application/xhtml+xml": "xhtml",
    "application/yaml": "yaml yml",
    "application/zip": "zip",
    "application/zstd": "zst",
    "application/x-7z-compressed": "7z",
    "application/x-bzip2": "bz2",
    "application/x-tar": "tar",
    "application/x-xz": "xz",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg oga opus",
    "audio/wav": "wav",
    "font/otf": "otf",
    "font/ttf": "ttf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg jpeg",
    "image/jxl": "jxl",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif tiff",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    "video/mp4": "mp4 m4v",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/webm": "webm",
}

_BY_ENDING = {
    **{ending: f"{kind}; charset=utf-8" for kind, endings in _TEXT.items() for ending in endings.split()},
    **{ending: kind for kind, endings in _OTHER.items() for ending in endings.split()},
}


def content_type(name: str) -> str:
    """The content type of a file by the end of its name; text is UTF-8."""
    _, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(ending.lower(), BINARY) if dot else BINARY
