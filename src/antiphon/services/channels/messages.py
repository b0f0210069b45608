"""What nodes tell each other about a topic, and the keys that hold it: in this file and its scripts, nowhere else."""

# Everything about a topic shares one hash-tag, so that each script is one step on a Cluster too.
#
#     {topic.<tenant>.<name>}            the name under which the nodes hear of it
#     {topic.<tenant>.<name>}:head       hash: epoch, offset of the newest event
#     {topic.<tenant>.<name>}:log        list of `<token> <entry>`, the newest at the end; the token finds a repeat
#     {topic.<tenant>.<name>}:nodes      hash: user to the nodes that have entered it, with spaces between
#     {topic.<tenant>.<name>}:members    hash: user to the member as JSON
#     {topic.<tenant>.<name>}:version    counts the comings and goings
#     {nodes}                            sorted set: node by the end of its lease, in milliseconds of the store's clock
#
# A message is a letter and what it needs:
#
#     e<epoch> <offset> <entry>                 an event that was kept
#     l<entry>                                  an event of a topic without a log
#     f<sender>\n<entry>                        an event that is never kept
#     p<version> <j, l or n> <node> <member>    somebody joined, left; or another node has entered a user who was there
#     a<user>                                   ask the doors again
#     r                                         something may be missing

from __future__ import annotations

from typing import NamedTuple

from antiphon.core.channel import Position

ASK = b"a"
LIVE = b"l"
EPHEMERAL = b"f"
NODES = "{nodes}"

# The first byte of a message, as indexing gives it.
KEPT_LETTER, LIVE_LETTER, EPHEMERAL_LETTER, PRESENCE_LETTER, ASK_LETTER, RENEWED_LETTER = b"elfpar"


class TopicKeys(NamedTuple):
    """The names of one topic in the store, without the prefix."""

    name: str

    @property
    def log(self) -> tuple[str, str]:
        """Head and log."""
        return f"{self.name}:head", f"{self.name}:log"

    @property
    def presence(self) -> tuple[str, str, str]:
        """Nodes, members and version."""
        return f"{self.name}:nodes", f"{self.name}:members", f"{self.name}:version"


def topic_keys(tenant_id: str, topic: str) -> TopicKeys:
    """The names of a topic. Raises ValueError for a tenant whose id could be mistaken for a part of a name."""
    if not set(tenant_id).isdisjoint("{}. \n"):
        raise ValueError("The id of a tenant with topics holds none of: dot, space, braces.")
    return TopicKeys(f"{{topic.{tenant_id}.{topic}}}")


class KeptEvent(NamedTuple):
    """An event with its place."""

    position: Position
    entry: bytes


class PresenceTold(NamedTuple):
    """Who came (`j`) or went (`l`), or nothing but a node (`n`)."""

    version: int
    what: bytes
    node: str
    member: bytes


def read_kept(message: bytes) -> KeptEvent:
    """The event in a message of the letter `e`."""
    epoch, offset, entry = message[1:].split(b" ", 2)
    return KeptEvent(Position(epoch.decode(), int(offset)), entry)


def read_presence(message: bytes) -> PresenceTold:
    """What a message of the letter `p` says."""
    version, what, node, member = message[1:].split(b" ", 3)
    return PresenceTold(int(version), what, node.decode(), member)


def ephemeral_message(sender: str, entry: bytes) -> bytes:
    """The message of an event that is never kept."""
    return EPHEMERAL + sender.replace("\n", " ").encode() + b"\n" + entry


def read_ephemeral(message: bytes) -> tuple[str, bytes]:
    """The sender and the entry."""
    sender, _, entry = message[1:].partition(b"\n")
    return sender.decode(), entry
