"""Work (b) and the answers of the bare servers, written by hand with msgspec: what the ceilings share."""

from __future__ import annotations

import msgspec

from bench.http.servers.items import Item, Saved

FLAGS = {b"": False, b"notify=true": True, b"notify=false": False}
ITEMS = "/api/items/"
NOT_FOUND = b'{"error":"not found"}'
FORBIDDEN = b'{"error":"forbidden"}'
BAD_INPUT = b'{"error":"bad input"}'

encode = msgspec.json.Encoder().encode
decode_item = msgspec.json.Decoder(Item).decode


def put_item(item_id: str | bytes, query: bytes, body: bytes) -> tuple[int, bytes]:
    """The status and the body that answer a PUT."""
    try:
        item = decode_item(body)
        notify = FLAGS[query]
        saved = Saved(int(item_id), notify, item.title, item.quantity, item.price, item.active, item.tags)
    except (ValueError, KeyError):
        return 422, BAD_INPUT
    return 200, encode(saved)
