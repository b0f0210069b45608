"""The public API: every name an application imports, and nothing else."""

from __future__ import annotations

from antiphon.application import App
from antiphon.core.access import Rule, Verdict, all_of, allow, anyone, named, require
from antiphon.core.action import Action, Call, Stream, action
from antiphon.core.audit import Audit
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller, Directory
from antiphon.core.channel import Channel, MemberNames, Position, Topic, channel
from antiphon.core.clock import Clock, Ids
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.deploy import DeployCheck, Finding, Review
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
from antiphon.core.event import EventType, event
from antiphon.core.health import Health, HealthCheck
from antiphon.core.idempotency import Idempotency, KeyTaken, Replayed
from antiphon.core.info import AppInfo
from antiphon.core.inputs.kinds import Email, Struct, Time, Upload
from antiphon.core.job import AskAgain, Batch, Job, JobState, Once, Outcomes, Run, Tasks
from antiphon.core.limits import Limiter, LimitState, limit
from antiphon.core.log import Logger
from antiphon.core.middleware import Middleware, Next
from antiphon.core.module import Module
from antiphon.core.results import Download
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.secrets import Secret
from antiphon.core.service import scoped, service
from antiphon.core.session import CredentialShown, Session, SessionEnded
from antiphon.core.settings import Settings, doc, env
from antiphon.core.tenancy import TenantDirectory
from antiphon.core.traits import Trait, after, around, deprecated, never, only, raises, retry, timeout
from antiphon.services.access.explain import Explanation, explain
from antiphon.services.access.permissions import Permission, Permissions
from antiphon.services.access.roles import Role, Roles
from antiphon.services.access.rules import by_key, can, fresh
from antiphon.services.audit.chain import AuditChain, verify_audit
from antiphon.services.audit.guard import audit_guard
from antiphon.services.audit.purge import purge_audit
from antiphon.services.audit.reading import AuditFilter, AuditRow, read_audit
from antiphon.services.audit.settings import AuditSettings
from antiphon.services.audit.tables import audit_metadata
from antiphon.services.channels.channels import Channels
from antiphon.services.channels.frames import Member
from antiphon.services.channels.tables import channels_metadata
from antiphon.services.database.columns import Id, UtcDateTime
from antiphon.services.database.database import Database
from antiphon.services.database.errors import DatabaseAway, Taken
from antiphon.services.database.ledger import ledger_metadata
from antiphon.services.database.schema import NAMES, Schema
from antiphon.services.database.work import Work
from antiphon.services.events.dead import DeadLetterAdded
from antiphon.services.events.envelope import is_binary, read_binary, read_structured
from antiphon.services.events.events import Events
from antiphon.services.events.listener import Listener, listener
from antiphon.services.events.replay import Replay
from antiphon.services.events.steering import Gap, ListenerState
from antiphon.services.identity import (
    ApiKeySource,
    BadSeal,
    BadToken,
    Cursors,
    ForeignIssuer,
    ForeignIssuers,
    FoundKey,
    IdentitySettings,
    Keyring,
    RootSecret,
    Rotation,
    Seal,
    Sightings,
    SigningKey,
    SigningKeySource,
    TokenEnds,
    Tokens,
    foreign_user_id,
    new_api_key,
    secret_digest,
)
from antiphon.services.limits.lockout import Lockout
from antiphon.services.metrics import Metrics
from antiphon.services.passwords.service import Passwords
from antiphon.services.rules import admin, role, signed_in, system
from antiphon.services.sessions.service import Sessions
from antiphon.services.sessions.tickets import Ticket, Tickets
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.outbox import Outbox
from antiphon.services.streams.players import JobWatcher
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobFilter, JobRecord, QueueDepths
from antiphon.services.streams.registry import Registry, WorkerRecord
from antiphon.services.streams.tables import outbox_metadata
from antiphon.services.tasks.batches import BatchCounts, Batches
from antiphon.services.tasks.plans import declared_queues
from antiphon.services.tasks.schedules import Schedules, ScheduleView
from antiphon.services.tasks.traits import at_most, cron, every, keep, ordered, queue, unique
from antiphon.stores.base import Store
from antiphon.transports.http.routes import delete, etag, get, patch, post, put
from antiphon.transports.http.static import client_script, static
from antiphon.transports.http.transport import Http
from antiphon.transports.websocket.transport import Websocket
from antiphon.transports.worker.transport import Worker
from antiphon.wire.sniff import agrees, sniff, type_of

__all__ = [
    "ANONYMOUS",
    "NAMES",
    "SYSTEM",
    "Action",
    "ApiKeySource",
    "App",
    "AppInfo",
    "AskAgain",
    "Audit",
    "AuditChain",
    "AuditFilter",
    "AuditRow",
    "AuditSettings",
    "BadSeal",
    "BadToken",
    "Batch",
    "BatchCounts",
    "Batches",
    "Call",
    "CallError",
    "Caller",
    "Channel",
    "Channels",
    "Clock",
    "Conflict",
    "Connection",
    "Context",
    "CredentialShown",
    "Cursors",
    "Database",
    "DatabaseAway",
    "DeadLetterAdded",
    "Defect",
    "DeployCheck",
    "Directory",
    "Download",
    "Email",
    "EventType",
    "Events",
    "Explanation",
    "Fault",
    "Finding",
    "Forbidden",
    "ForeignIssuer",
    "ForeignIssuers",
    "FoundKey",
    "Gap",
    "Health",
    "HealthCheck",
    "Http",
    "Id",
    "Idempotency",
    "IdentitySettings",
    "Ids",
    "InvalidInput",
    "Job",
    "JobFilter",
    "JobMessage",
    "JobRecord",
    "JobState",
    "JobWatcher",
    "KeyTaken",
    "Keyring",
    "LimitState",
    "Limiter",
    "Listener",
    "ListenerState",
    "Lockout",
    "Logger",
    "Member",
    "MemberNames",
    "Metrics",
    "Middleware",
    "Module",
    "Next",
    "NotFound",
    "NotSignedIn",
    "Once",
    "Outbox",
    "Outcomes",
    "Passwords",
    "Permission",
    "Permissions",
    "Position",
    "QueueDepths",
    "Queues",
    "Registry",
    "Replay",
    "Replayed",
    "Review",
    "Revocations",
    "Revoked",
    "Role",
    "Roles",
    "RootSecret",
    "Rotation",
    "Rule",
    "Run",
    "ScheduleView",
    "Schedules",
    "Schema",
    "Seal",
    "Secret",
    "Session",
    "SessionEnded",
    "Sessions",
    "Settings",
    "SetupError",
    "Sightings",
    "SigningKey",
    "SigningKeySource",
    "Store",
    "Stream",
    "Struct",
    "Taken",
    "Tasks",
    "TenantDirectory",
    "Ticket",
    "Tickets",
    "Time",
    "TimedOut",
    "TokenEnds",
    "Tokens",
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
    "Worker",
    "WorkerRecord",
    "action",
    "admin",
    "after",
    "agrees",
    "all_of",
    "allow",
    "anyone",
    "around",
    "at_most",
    "audit_guard",
    "audit_metadata",
    "by_key",
    "can",
    "channel",
    "channels_metadata",
    "client_script",
    "cron",
    "declared_queues",
    "delete",
    "deprecated",
    "doc",
    "env",
    "etag",
    "event",
    "every",
    "explain",
    "foreign_user_id",
    "fresh",
    "get",
    "is_binary",
    "keep",
    "ledger_metadata",
    "limit",
    "listener",
    "named",
    "never",
    "new_api_key",
    "only",
    "ordered",
    "outbox_metadata",
    "patch",
    "post",
    "purge_audit",
    "put",
    "queue",
    "raises",
    "read_audit",
    "read_binary",
    "read_structured",
    "require",
    "retry",
    "role",
    "scoped",
    "secret_digest",
    "service",
    "signed_in",
    "sniff",
    "static",
    "system",
    "timeout",
    "type_of",
    "unique",
    "verify_audit",
]
