"""HTTP over the contract. Only a component that was built with HTTP has the modules that this one imports."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as types
from wit_world.imports.streams import StreamError_Closed

from ._errors import TaskError
from .http import Request, Response

_PIECE_BYTES = 4096
_READ_BYTES = 1 << 16

_KINDS: list[tuple[str, bool, str, str]] = [
    ("HttpRequestDenied DestinationIpProhibited", False, "permission_denied", "the workflow does not grant this request to `{to}`"),
    ("DnsTimeout DnsError", True, "dns", "`{to}` was not found"),
    (
        "ConnectionTimeout ConnectionReadTimeout ConnectionWriteTimeout HttpResponseTimeout",
        True,
        "http_timeout",
        "`{to}` took too long",
    ),
    (
        "ConnectionRefused ConnectionTerminated DestinationUnavailable DestinationNotFound DestinationIpUnroutable "
        "HttpResponseIncomplete ConnectionLimitReached InternalError",
        True,
        "connection",
        "the connection to `{to}` failed: {what}",
    ),
    ("TlsProtocolError TlsCertificateError TlsAlertReceived", False, "tls", "`{to}` cannot be trusted: {what}"),
    ("HttpRequestBodySize HttpResponseBodySize", False, "body_too_large", "the body is larger than an attempt may move"),
]


def send(request: Request) -> Response:
    """Sends one request, and reads the whole response."""
    url = urlsplit(request.url)
    to = url.netloc
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    if request.body:
        # Without it the body would go out in chunks, which some servers do not take.
        headers["content-length"] = str(len(request.body))
    try:
        fields = types.Fields.from_list([(name, value.encode()) for name, value in headers.items()])
        outgoing = types.OutgoingRequest(fields)
        outgoing.set_method(_method(request.method))
        outgoing.set_scheme(types.Scheme_Https() if url.scheme == "https" else types.Scheme_Http())
        outgoing.set_authority(to)
        outgoing.set_path_with_query(f"{url.path or '/'}?{url.query}" if url.query else url.path or "/")
    except Err as error:
        raise TaskError("http_request", f"the request to `{to}` is not allowed: {_name(error.value)}") from None
    body = outgoing.body() if request.body else None
    try:
        pending = outgoing_handler.handle(outgoing, _options(request.timeout))
    except Err as error:
        raise _failed(to, error.value) from None
    broken = None if body is None else _write(body, request.body, to)
    with pending.subscribe() as ready:
        ready.block()
    result = pending.get()
    if not isinstance(result, Ok) or not isinstance(result.value, Ok):
        code = result.value.value if isinstance(result, Ok) else None
        raise _failed(to, code)
    response = result.value.value
    status = response.status()
    # A server may answer before it has read all; then its answer counts.
    if broken is not None and 200 <= status < 300:
        raise broken
    with response.headers() as fields:
        entries = fields.entries()
    return Response(status, _joined(entries), _read(response, to))


def _joined(entries: list[tuple[str, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in entries:
        name, text = name.lower(), value.decode(errors="replace")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _read(response: Any, to: str) -> bytes:
    pieces = []
    with response.consume() as body, body.stream() as stream:
        while True:
            try:
                pieces.append(stream.blocking_read(_READ_BYTES))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(pieces)
                raise TaskError(
                    "http_body", f"the response of `{to}` broke off: {error.value.value.to_debug_string()}", retryable=True
                ) from None


def _write(body: Any, content: bytes, to: str) -> TaskError | None:
    try:
        with body.write() as stream:
            for start in range(0, len(content), _PIECE_BYTES):
                stream.blocking_write_and_flush(content[start : start + _PIECE_BYTES])
        types.OutgoingBody.finish(body, None)
    except Err as error:
        return TaskError("connection", f"the body was not sent to `{to}`: {_name(error.value)}", retryable=True)
    return None


def _options(timeout: float | None) -> Any:
    options = types.RequestOptions()
    if timeout is not None:
        limit = max(0, round(timeout * 1e9))
        for keep in (options.set_connect_timeout, options.set_first_byte_timeout, options.set_between_bytes_timeout):
            try:
                keep(limit)
            except Err:
                # A host that keeps no such limit still has the attempt's.
                pass
    return options


def _method(name: str) -> Any:
    known = getattr(types, f"Method_{name.capitalize()}", None)
    return known() if known is not None and name != "OTHER" else types.Method_Other(name)


def _name(value: Any) -> str:
    name = type(value).__name__.rpartition("_")[2]
    detail = getattr(value, "value", None)
    return f"{name}: {detail}" if isinstance(detail, str) else name


def _failed(to: str, code: Any) -> TaskError:
    name = type(code).__name__.removeprefix("ErrorCode_")
    for names, retryable, kind, text in _KINDS:
        if name in names.split():
            return TaskError(kind, text.format(to=to, what=_name(code)), retryable=retryable)
    return TaskError("http_protocol", f"`{to}`: {_name(code)}")
