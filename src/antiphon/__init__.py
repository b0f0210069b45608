"""The public API: every name an application imports, and nothing else."""

from __future__ import annotations

from antiphon.application import App
from antiphon.core.access import Rule, Verdict, all_of, allow, anyone, named, require
from antiphon.core.action import Action, Call, Stream, action
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller, Directory
from antiphon.core.channel import Channel, MemberNames, Position, Topic, channel
from antiphon.core.clock import Clock, Ids
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import (
    CallError,
    Conflict,
    Defect,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    SetupError,
    TimedOut,
    TooLarge,
    TooManyCalls,
    Unavailable,
)
from antiphon.core.health import Health, HealthCheck
from antiphon.core.info import AppInfo
from antiphon.core.inputs.kinds import Email, Struct, Time, Upload
from antiphon.core.job import Batch, Job, Outcomes, Run
from antiphon.core.log import Logger
from antiphon.core.middleware import Middleware, Next
from antiphon.core.module import Module
from antiphon.core.results import Download
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.secrets import Secret
from antiphon.core.service import scoped, service
from antiphon.core.session import Session
from antiphon.core.settings import Settings, doc, env
from antiphon.core.traits import Trait, after, around, deprecated, never, only, raises, retry, timeout
from antiphon.services.channels.channels import Channels
from antiphon.services.channels.frames import Member
from antiphon.services.database.columns import Id, UtcDateTime
from antiphon.services.database.database import Database
from antiphon.services.database.errors import DatabaseAway, Taken
from antiphon.services.database.schema import NAMES, Schema
from antiphon.services.database.work import Work
from antiphon.services.metrics import Metrics
from antiphon.services.passwords.service import Passwords
from antiphon.services.rules import admin, role, signed_in
from antiphon.services.sessions.service import Sessions
from antiphon.services.sessions.tickets import Ticket, Tickets
from antiphon.stores.base import Store
from antiphon.transports.http.routes import delete, etag, get, patch, post, put
from antiphon.transports.http.static import client_script, static
from antiphon.transports.http.transport import Http
from antiphon.transports.websocket.transport import Websocket
from antiphon.wire.sniff import agrees, sniff, type_of

__all__ = [
    "ANONYMOUS",
    "NAMES",
    "SYSTEM",
    "Action",
    "App",
    "AppInfo",
    "Batch",
    "Call",
    "CallError",
    "Caller",
    "Channel",
    "Channels",
    "Clock",
    "Conflict",
    "Connection",
    "Context",
    "Database",
    "DatabaseAway",
    "Defect",
    "Directory",
    "Download",
    "Email",
    "Fault",
    "Forbidden",
    "Health",
    "HealthCheck",
    "Http",
    "Id",
    "Ids",
    "InvalidInput",
    "Job",
    "Logger",
    "Member",
    "MemberNames",
    "Metrics",
    "Middleware",
    "Module",
    "Next",
    "NotFound",
    "NotSignedIn",
    "Outcomes",
    "Passwords",
    "Position",
    "Revocations",
    "Revoked",
    "Rule",
    "Run",
    "Schema",
    "Secret",
    "Session",
    "Sessions",
    "Settings",
    "SetupError",
    "Store",
    "Stream",
    "Struct",
    "Taken",
    "Ticket",
    "Tickets",
    "Time",
    "TimedOut",
    "TooLarge",
    "TooManyCalls",
    "Topic",
    "Trait",
    "Unavailable",
    "Upload",
    "UtcDateTime",
    "Verdict",
    "Websocket",
    "Work",
    "action",
    "admin",
    "after",
    "agrees",
    "all_of",
    "allow",
    "anyone",
    "around",
    "channel",
    "client_script",
    "delete",
    "deprecated",
    "doc",
    "env",
    "etag",
    "get",
    "named",
    "never",
    "only",
    "patch",
    "post",
    "put",
    "raises",
    "require",
    "retry",
    "role",
    "scoped",
    "service",
    "signed_in",
    "sniff",
    "static",
    "timeout",
    "type_of",
]
