"""The roles of Olympus, each with what it adds to those it includes."""

from __future__ import annotations

from antiphon import Role, Roles

CUSTOMER = Role(
    "customer",
    [
        "product:view:tenant",
        "order:view:own",
        "order:create:own",
        "order:cancel:own",
        "member:view:own",
        "member:edit:own",
        "task:*:own",
    ],
)
STAFF = Role(
    "staff",
    ["order:view:tenant", "order:create:tenant", "order:edit:tenant", "order:status:tenant", "product:edit:tenant"],
    includes=["customer"],
)
MANAGER = Role("manager", ["product:*:tenant", "analytics:view:tenant", "member:view:tenant"], includes=["staff"])
OWNER = Role(
    "owner",
    ["member:*:tenant", "role:*:tenant", "tenant:edit:tenant", "audit:view:tenant"],
    includes=["manager"],
)
ADMIN = Role("admin", ["*:*:any"], includes=["owner"])
"""The platform's own people."""

roles = Roles(CUSTOMER, STAFF, MANAGER, OWNER, ADMIN)
