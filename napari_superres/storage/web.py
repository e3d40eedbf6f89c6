"""A file of a web server, by one request that every server answers: ranges and HEAD are not needed."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from napari_superres.errors import SettingsError, UnreadableImageError
from napari_superres.storage.address import split_address

SILENT_SECONDS = 30
"""How long a server may send nothing, in seconds."""

_PART = 2**20
_RANGE = re.compile(r"bytes (\d+)-\d+/\d+")
_ADDRESS_SIGNS = "/%:@!$&'()*+,;=~?"


class WebAddress(NamedTuple):
    """An address of the web.

    Attributes
    ----------
    text
        The address.
    name
        Name of the file: the last part of its path, without a query.
    server
        Name of the server.
    """

    text: str
    name: str
    server: str

    def __str__(self) -> str:
        return self.text


class Answer(NamedTuple):
    """The beginning of what a server answers.

    Attributes
    ----------
    start
        The first byte of the file that follows; 0 where the server sends the whole file.
    size
        Size of the whole file in bytes; None if the server does not say.
    tag
        Changes with the file's content; empty if the server gives none.
    stream
        What follows.
    """

    start: int
    size: int | None
    tag: str
    stream: Any


def web_address(address: str) -> WebAddress:
    """Return an address of the web in parts.

    Raises
    ------
    SettingsError
        If it is another kind of address, names no file, or holds a password, a key or a token.
    """
    scheme, rest = split_address(address)
    if scheme not in ("https", "http"):
        raise SettingsError(f"models are fetched from https:// and http://, got {scheme}://.")
    rest = rest.partition("#")[0]
    path = rest.partition("?")[0]
    name = re.split(r"[/\\]", unquote(path))[-1]
    if "/" not in path or name in ("", ".", "..") or not name.isprintable():
        raise SettingsError(f"the address must name a file, got {f'{scheme}://{path}'[:200]!r}.")
    server, _, after = rest.partition("/")
    text = f"{scheme}://{server}/{quote(after, safe=_ADDRESS_SIGNS)}"
    try:
        host, _port = urlsplit(text).hostname or server, urlsplit(text).port
    except ValueError as error:
        raise SettingsError(f"the address names no server, got {f'{scheme}://{server}'[:200]!r}.") from error
    return WebAddress(text, name, host)


@contextmanager
def asked(address: WebAddress, start: int = 0) -> Iterator[Answer]:
    """Yield a server's answer to the request for a file, from a byte on if it can.

    Raises
    ------
    UnreadableImageError
        If it does not send the file; the message says why.
    """
    headers = {"User-Agent": "napari-superres", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        stream = build_opener(_Redirects).open(Request(address.text, headers=headers), timeout=SILENT_SECONDS)
    except HTTPError as error:
        with error:
            raise _refused(address, error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreachable(address, error) from error
    with stream:
        yield _answer(stream)


def parts(answer: Answer) -> Iterator[bytes]:
    """Yield what follows the beginning of an answer.

    Raises
    ------
    UnreadableImageError
        If it breaks off, or nothing comes for `SILENT_SECONDS`.
    """
    done = answer.start
    try:
        while part := answer.stream.read1(_PART):
            done += len(part)
            yield part
    except TimeoutError as error:
        raise UnreadableImageError(f"the server sent nothing for {SILENT_SECONDS} s") from error
    except (ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
        raise UnreadableImageError("the transfer broke off") from error
    if answer.size is not None and done < answer.size:
        raise UnreadableImageError(f"the transfer broke off after {done} of {answer.size} bytes")


class _Redirects(HTTPRedirectHandler):
    """Follows to addresses of the web only, and never from an encrypted one to one that is not."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if not _may_follow(req.full_url, newurl):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _may_follow(old: str, new: str) -> bool:
    scheme = urlsplit(new).scheme
    return scheme == "https" or (scheme == "http" and urlsplit(old).scheme == "http")


def _answer(stream: Any) -> Answer:
    length, tag = stream.headers.get("Content-Length", ""), stream.headers.get("ETag", "")
    tag = tag or stream.headers.get("Last-Modified", "")
    size = int(length) if length.isdecimal() else None
    if stream.status != http.client.PARTIAL_CONTENT:
        return Answer(0, size, tag, stream)
    found = _RANGE.match(stream.headers.get("Content-Range", ""))
    start = int(found[1]) if found else 0
    return Answer(start, None if size is None else start + size, tag, stream)


def _refused(address: WebAddress, error: HTTPError) -> UnreadableImageError:
    code = error.code
    if code in (http.client.NOT_FOUND, http.client.GONE):
        return UnreadableImageError(f"there is no file at {address}.", remedy="Check the address.")
    if code in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return UnreadableImageError(
            f"{address.server} refuses to give {address.name} (HTTP {code}).",
            remedy="Perhaps one must sign in: fetch it in a browser, then add the file.",
        )
    target = error.headers.get("Location") if error.headers else None
    if code // 100 == 3 and target:
        target = urljoin(error.url or address.text, target)
        if _may_follow(address.text, target):
            return UnreadableImageError(
                f"{address} leads in a circle, or too far: each answer names another address.",
                remedy="Check the address.",
            )
        return UnreadableImageError(
            f"{address} leads to a {urlsplit(target).scheme}:// address, which is not followed.",
            remedy="Fetch the file in a browser, then add it.",
        )
    if code >= http.client.INTERNAL_SERVER_ERROR or code == http.client.TOO_MANY_REQUESTS:
        return UnreadableImageError(
            f"{address.server} has a fault or is busy: it answers HTTP {code} to {address}.", remedy="Try again later."
        )
    return UnreadableImageError(
        f"{address.server} does not give {address.name}: it answers HTTP {code}.", remedy="Check the address."
    )


def _unreachable(address: WebAddress, error: Exception) -> UnreadableImageError:
    cause = error.reason if isinstance(error, URLError) else error
    server, remedy = address.server, "Check the address and the connection."
    if isinstance(cause, TimeoutError):
        return UnreadableImageError(f"{server} did not answer within {SILENT_SECONDS} s.", remedy=remedy)
    if isinstance(cause, socket.gaierror):
        return UnreadableImageError(f"no server called {server} is known.", remedy=remedy)
    if isinstance(cause, ConnectionRefusedError):
        return UnreadableImageError(f"{server} takes no connection at this address.", remedy=remedy)
    if isinstance(cause, ssl.SSLError):
        return UnreadableImageError(
            f"{server} has no certificate that can be checked.", remedy="Fetch the file in a browser, then add it."
        )
    if isinstance(cause, (ConnectionError, http.client.HTTPException)):
        return UnreadableImageError(f"{server} gave no answer of a web server, and closed.", remedy=remedy)
    return UnreadableImageError(f"{server} cannot be reached.", remedy=remedy)
