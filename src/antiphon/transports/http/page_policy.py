"""What pages may do in a browser: the headers of everything that a browser shows, rather than a program reads.

header                          what it lets a page do
Content-Security-Policy         load from its own origin; run scripts from there, and inline ones with the nonce;
                                no plugins, no `<base>`, forms to its own origin, be framed by nobody
Cross-Origin-Opener-Policy      share no window with pages of other origins
Permissions-Policy              nothing of what browsers ask people for
"""

from __future__ import annotations

from antiphon.transports.http.browsers import SECURITY
from antiphon.wire.response import Headers

# What browsers know today. An unknown name would only put a warning into the console of each of them.
_FEATURES = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)
_OPENER = (b"cross-origin-opener-policy", b"same-origin")
_PERMISSIONS = (b"permissions-policy", ", ".join(f"{feature}=()" for feature in _FEATURES).encode())


def page_headers(*, nonce: str = "", sources: str = "") -> Headers:
    """The security headers of a page. `nonce` admits inline scripts that carry it; `sources` is more of the policy."""
    scripts = f"script-src 'self' 'nonce-{nonce}'" if nonce else "script-src 'self'"
    policy = (
        f"default-src 'self'; {scripts}; {sources}object-src 'none'; base-uri 'none'; "
        f"form-action 'self'; frame-ancestors 'none'"
    )
    return [*SECURITY, (b"content-security-policy", policy.encode()), _OPENER, _PERMISSIONS]
