"""What stands before the application: who may ask, from where, and the headers of every answer.

On loopback any page in the user's browser can send requests here, and a name that its owner points
at 127.0.0.1 (DNS rebinding) even reads the answers. So the Host must be one of ours, and an Origin,
where a browser sends one, the same as the Host.
"""

from __future__ import annotations

import asyncio
import hmac
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masklens.server.failures import ApiError, internal, log_mistake, stopping
from masklens.server.settings import Settings, host_name, is_loopback

#: The page runs WebAssembly in a worker and reads pictures as blobs; it asks nobody else.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # The camera for the page itself, nothing else for anybody.
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    # Together these isolate the page, so that WebAssembly may use threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware: refuses what may not ask, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._hosts = {name.lower() for name in (*settings.hosts, settings.host)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse to."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _to_origin_form(scope)
        started = False

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope["path"], Headers(scope=scope))
            await self._app(scope, receive, secured)
        except ApiError as refusal:
            await refusal.response()(scope, receive, secured)
        except asyncio.CancelledError:  # nothing but the end of the server cancels a request
            if not started:
                await stopping().response()(scope, receive, secured)
        except Exception as error:
            log_mistake(error)
            if not started:
                await internal().response()(scope, receive, secured)

    def _check(self, path: str, headers: Headers) -> None:
        # Only programs leave the name out, as HTTP/1.0 allows: load balancers that ask for health.
        if "host" in headers:
            self._check_host(headers["host"])
        host = headers.get("host", "")
        origin = headers.get("origin")
        foreign = origin is not None and _netloc(origin) != host.lower()
        # Browsers say so even where they send no Origin, for example with a picture's address.
        linked = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign or (linked and path.startswith("/v1/")):
            raise ApiError(
                403, "foreign_origin", "Requests from pages of other sites are not answered."
            )
        if path.startswith("/v1/") or path == "/metrics":
            self._check_token(headers.get("authorization", ""))

    def _check_host(self, host: str) -> None:
        settings = self._settings
        if not settings.loopback and not settings.hosts:
            return  # it has many names, and the token keeps other people's pages out
        name = host_name(host)
        if name in self._hosts or is_loopback(name):
            return
        raise ApiError(
            421,
            "unknown_host",
            f'This server is not called "{name[:100]}". If it should be, start it with '
            "--allow-host and that name.",
        )

    def _check_token(self, authorization: str) -> None:
        token = self._settings.token
        if token is None:
            return
        scheme, _, given = authorization.partition(" ")
        right = hmac.compare_digest(given.strip().encode(), token.encode())
        if scheme.lower() != "bearer" or not right:
            what = "another token was received" if given else "none was received"
            raise ApiError(
                401,
                "unauthorized",
                f'The header "Authorization: Bearer TOKEN" is needed; {what}.',
                {"WWW-Authenticate": 'Bearer realm="masklens"'},
            )


def _to_origin_form(scope: Scope) -> None:
    """Take a whole address as the target, as clients ask proxies: RFC 9112, section 3.2.2.

    Its host then goes before that of the Host header.
    """
    try:
        scheme, host, path, _, _ = urlsplit(scope["raw_path"].decode("ascii"))
    except ValueError:
        return
    if scheme in ("http", "https"):
        scope["path"] = unquote(path) or "/"
        scope["raw_path"] = path.encode("ascii") or b"/"
        MutableHeaders(scope=scope)["host"] = host


def _netloc(address: str) -> str:
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""
