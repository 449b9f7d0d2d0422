"""HTTP by the host, for what the workflow grants: `fetch`, and the same for `urllib.request`."""

import email.message
import http.client
import io
import json as json_
import urllib.error
import urllib.parse
import urllib.request
import urllib.response

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, streams, wasi_http_types as wasi

from runner.errors import TaskError

READ_BYTES = 64 * 1024
WRITE_BYTES_MAX = 4096
DENIED = (wasi.ErrorCode_HttpRequestDenied, wasi.ErrorCode_DestinationIpProhibited)
TOO_LARGE = (wasi.ErrorCode_HttpRequestBodySize, wasi.ErrorCode_HttpResponseBodySize)
DNS = (wasi.ErrorCode_DnsTimeout, wasi.ErrorCode_DnsError)
TIMEOUT = (
    wasi.ErrorCode_ConnectionTimeout, wasi.ErrorCode_ConnectionReadTimeout, wasi.ErrorCode_ConnectionWriteTimeout,
    wasi.ErrorCode_HttpResponseTimeout,
)  # fmt: skip
CONNECTION = (
    wasi.ErrorCode_ConnectionRefused, wasi.ErrorCode_ConnectionTerminated, wasi.ErrorCode_ConnectionLimitReached,
    wasi.ErrorCode_DestinationNotFound, wasi.ErrorCode_DestinationUnavailable, wasi.ErrorCode_DestinationIpUnroutable,
    wasi.ErrorCode_HttpResponseIncomplete, wasi.ErrorCode_InternalError,
)  # fmt: skip
TLS = (wasi.ErrorCode_TlsProtocolError, wasi.ErrorCode_TlsCertificateError, wasi.ErrorCode_TlsAlertReceived)
METHODS = {
    "GET": wasi.Method_Get, "HEAD": wasi.Method_Head, "POST": wasi.Method_Post, "PUT": wasi.Method_Put,
    "DELETE": wasi.Method_Delete, "OPTIONS": wasi.Method_Options, "PATCH": wasi.Method_Patch,
}  # fmt: skip
# Headers that another origin must not see.
SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")
# The host sets them for the connection.
OF_CONNECTION = ("connection", "host", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "content-length", "te", "trailer")


class RequestError(TaskError, urllib.error.URLError):
    """A request without a response. It is an `OSError`, as `urllib` promises."""

    def __init__(self, code, message, retryable=False):
        TaskError.__init__(self, code, message, retryable=retryable)
        self.reason = message

    def __str__(self):
        return self.reason


def failed(method, url, host, code):
    """What the host says, in words."""
    what = f"{method} {url}: "
    kind = type(code).__name__.removeprefix("ErrorCode_")
    if isinstance(code, DENIED):
        return RequestError("permission_denied", f"{what}the workflow does not grant this request to `{host}`")
    if isinstance(code, DNS):
        return RequestError("dns", f"{what}`{host}` was not found", retryable=True)
    if isinstance(code, TIMEOUT):
        return RequestError("http_timeout", f"{what}`{host}` took too long", retryable=True)
    if isinstance(code, CONNECTION):
        return RequestError("connection", f"{what}the connection to `{host}` failed: {getattr(code, 'value', None) or kind}", retryable=True)
    if isinstance(code, TLS):
        return RequestError("tls", f"{what}`{host}` cannot be trusted: {kind}")
    if isinstance(code, TOO_LARGE):
        return RequestError("body_too_large", f"{what}the body is larger than an attempt may move")
    return RequestError("http_protocol", f"{what}{kind}")


class Body(io.RawIOBase):
    """The body of a response, as it comes."""

    def __init__(self, response):
        self._response = response
        self._body = response.consume()
        self._stream = self._body.stream()

    def readable(self):
        return True

    def readinto(self, buffer):
        while self._stream is not None:
            try:
                data = self._stream.blocking_read(min(len(buffer), READ_BYTES))
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    self.close()
                    return 0
                raise RequestError("connection", "the response broke off", retryable=True) from None
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    def close(self):
        # A body goes after its stream, and a response after its body.
        for part in ("_stream", "_body", "_response"):
            held = getattr(self, part, None)
            if held is not None:
                setattr(self, part, None)
                held.__exit__(None, None, None)
        super().close()


def send(method, url, headers, body, timeout=None):
    """One request, one response: its status, its headers, and its body as a stream."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RequestError("http_request", f"`{url}` is no http or https address")
    host = parts.netloc.rpartition("@")[2]
    path = urllib.parse.quote(parts.path or "/", safe="/%!$&'()*+,;=:@~")
    if parts.query:
        path += "?" + urllib.parse.quote(parts.query, safe="/%!$&'()*+,;=:@~?")
    fields = [(name, value.encode("latin-1", "replace")) for name, value in headers if name.lower() not in OF_CONNECTION]
    if body:
        fields.append(("content-length", str(len(body)).encode()))
    try:
        request = wasi.OutgoingRequest(wasi.Fields.from_list(fields))
        kind = METHODS.get(method)
        request.set_method(kind() if kind else wasi.Method_Other(method))
        request.set_scheme(wasi.Scheme_Https() if parts.scheme == "https" else wasi.Scheme_Http())
        request.set_authority(host)
        request.set_path_with_query(path)
    except Err:
        raise RequestError("http_request", f"{method} {url}: the method, the address or a header is not allowed") from None
    options = wasi.RequestOptions()
    if timeout is not None:
        nanoseconds = max(1, int(timeout * 1e9))
        options.set_connect_timeout(nanoseconds)
        options.set_first_byte_timeout(nanoseconds)
        options.set_between_bytes_timeout(nanoseconds)
    outgoing = request.body() if body else None
    try:
        pending = outgoing_handler.handle(request, options)
        broken = write(outgoing, body) if body else None
        with pending.subscribe() as ready:
            ready.block()
        answer = pending.get()
    except Err as error:
        raise failed(method, url, host, error.value) from None
    answer = answer.value if isinstance(answer, Ok) else None
    if isinstance(answer, Err):
        raise failed(method, url, host, answer.value)
    if answer is None or broken is not None:
        raise RequestError("connection", f"{method} {url}: the request was not sent whole", retryable=True)
    response = answer.value
    found = [(name, value.decode("latin-1")) for name, value in response.headers().entries()]
    return response.status(), found, io.BufferedReader(Body(response), READ_BYTES)


def write(outgoing, body):
    """Sends a body. A server may answer before it has read all."""
    try:
        with outgoing.write() as stream:
            for start in range(0, len(body), WRITE_BYTES_MAX):
                stream.blocking_write_and_flush(body[start : start + WRITE_BYTES_MAX])
        wasi.OutgoingBody.finish(outgoing, None)
    except Err as error:
        return error
    return None


class ByHost(urllib.request.HTTPHandler):
    """`http` and `https` of `urllib.request`."""

    def http_open(self, request):
        headers = {**request.unredirected_hdrs, **request.headers}
        body = request.data
        if body is not None and not isinstance(body, (bytes, bytearray, memoryview)):
            body = body.read() if hasattr(body, "read") else b"".join(body)
        timeout = request.timeout if isinstance(request.timeout, (int, float)) else None
        status, found, stream = send(request.get_method(), request.full_url, list(headers.items()), bytes(body or b""), timeout)
        message = http.client.HTTPMessage()
        for name, value in found:
            message[name] = value
        response = urllib.response.addinfourl(stream, message, request.full_url, status)
        response.msg = http.client.responses.get(status, "")
        response.reason = response.msg
        return response

    def https_open(self, request):
        return self.http_open(request)

    https_request = urllib.request.HTTPHandler.http_request


class Redirects(urllib.request.HTTPRedirectHandler):
    """Takes off what another origin must not see; `urllib` itself does not."""

    def redirect_request(self, request, stream, code, message, headers, url):
        new = super().redirect_request(request, stream, code, message, headers, url)
        if new is not None and urllib.parse.urlsplit(new.full_url)[:2] != urllib.parse.urlsplit(request.full_url)[:2]:
            for name in [name for name in new.headers if name.lower() in SECRET_HEADERS]:
                del new.headers[name]
        return new


OPENER = urllib.request.OpenerDirector()
for handler in (
    ByHost, Redirects, urllib.request.UnknownHandler, urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor,
    urllib.request.DataHandler,
):  # fmt: skip
    OPENER.add_handler(handler())
OPENER.addheaders = [("User-Agent", "autokestra")]


class Response:
    """What came back."""

    def __init__(self, url, status, headers, body):
        self.url, self.status, self.headers, self.body = url, status, headers, body
        self.ok = 200 <= status < 300

    @property
    def text(self):
        return self.body.decode(self.headers.get_content_charset() or "utf-8", "replace")

    def json(self):
        return json_.loads(self.body)

    def __repr__(self):
        return f"<Response {self.status} of {self.url}>"


def fetch(url, method=None, *, headers=None, json=None, body=None, timeout=None):
    """Sends a request and reads its response whole. A status that is no success is no exception: see `ok`."""
    headers = dict(headers or {})
    named = {name.lower() for name in headers}
    if json is not None:
        body = json_.dumps(json)
        if "content-type" not in named:
            headers["Content-Type"] = "application/json"
    elif isinstance(body, dict):
        body = urllib.parse.urlencode(body)
        if "content-type" not in named:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
    if isinstance(body, str):
        body = body.encode()
        if "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = "text/plain;charset=UTF-8"
    request = urllib.request.Request(url, data=body, headers=headers, method=method and method.upper())
    try:
        response = OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return Response(response.url, response.status, response.headers, response.read())
