"""A blocking HTTP client for what the workflow grants: `http.get("https://api.example.com/items").json()`.

The component has it where pyproject.toml says `http = true` below `[tool.autokestra]`. Redirects are followed and checked by the
host like any request; `authorization`, `cookie` and `proxy-authorization` are dropped where the origin changes.
"""

from __future__ import annotations

import json as _json
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from . import _host
from ._errors import TaskError

_REDIRECTS = 10
# They speak for the caller, so another origin must not see them.
_SECRET_HEADERS = {"authorization", "cookie", "proxy-authorization", "host"}
_BODY_HEADERS = {"content-type", "content-length", "content-encoding"}


@dataclass(frozen=True)
class Request:
    """A request as it is sent. Names of headers are in lower case."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float | None = None


@dataclass(frozen=True)
class Response:
    """What came back. Names of headers are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return _json.loads(self.body)

    def raise_for_status(self) -> Response:
        """Fails with `http_status` where the status is 400 or more. 408, 425, 429 and 5xx may pass."""
        if self.status < 400:
            return self
        wait = self.headers.get("retry-after", "")
        raise TaskError(
            "http_status",
            f"the status is {self.status}",
            retryable=self.status in (408, 425, 429) or self.status >= 500,
            retry_after=float(wait) if wait.isdecimal() else None,
            details={"status": self.status},
        )


def request(
    method: str,
    url: str,
    *,
    params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    json: Any = None,
    data: bytes | str | None = None,
    timeout: float | None = None,
    redirects: int = _REDIRECTS,
) -> Response:
    """Sends a request, and waits for the whole response. A response of any status is none of the errors.

    `params` go into the query; `json` or `data` are the body. `timeout`, in seconds, limits the wait for the connection, the
    first byte, and the time between two.
    """
    sent = {name.lower(): str(value) for name, value in (headers or {}).items()}
    body = data.encode() if isinstance(data, str) else data or b""
    if json is not None:
        body = _json.dumps(json, ensure_ascii=False).encode()
        sent.setdefault("content-type", "application/json")
    hop = Request(method.upper(), _target(url, params), sent, body, timeout)
    for _ in range(redirects + 1):
        response = _host.current().send(hop)
        location = response.headers.get("location")
        if redirects == 0 or location is None or response.status not in (301, 302, 303, 307, 308):
            return response
        hop = _follow(hop, response.status, _target(urljoin(hop.url, location), None))
    raise TaskError("too_many_redirects", f"`{url}` redirects more than {redirects} times")


def get(url: str, **options: Any) -> Response:
    """Sends a GET request; the options are those of [`request`]."""
    return request("GET", url, **options)


def post(url: str, **options: Any) -> Response:
    """Sends a POST request; the options are those of [`request`]."""
    return request("POST", url, **options)


def put(url: str, **options: Any) -> Response:
    """Sends a PUT request; the options are those of [`request`]."""
    return request("PUT", url, **options)


def patch(url: str, **options: Any) -> Response:
    """Sends a PATCH request; the options are those of [`request`]."""
    return request("PATCH", url, **options)


def delete(url: str, **options: Any) -> Response:
    """Sends a DELETE request; the options are those of [`request`]."""
    return request("DELETE", url, **options)


def _target(url: str, params: dict[str, Any] | None) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TaskError("http_request", f"`{url}` is no URL to ask: it must begin with http:// or https://")
    if parts.username or parts.password:
        raise TaskError("http_request", f"`{parts.hostname}`: put the user and the password into an `authorization` header")
    query = "&".join(part for part in (parts.query, urlencode(params or {}, doseq=True)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))


def _follow(hop: Request, status: int, url: str) -> Request:
    """Goes where a redirect points, with what may go there."""
    headers = hop.headers
    if _origin(url) != _origin(hop.url):
        headers = {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
    # 303 asks for a GET; of 301 and 302 after a POST everybody makes one.
    if status == 303 and hop.method != "HEAD" or status in (301, 302) and hop.method == "POST":
        headers = {name: value for name, value in headers.items() if name not in _BODY_HEADERS}
        return replace(hop, method="GET", url=url, headers=headers, body=b"")
    return replace(hop, url=url, headers=headers)


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
