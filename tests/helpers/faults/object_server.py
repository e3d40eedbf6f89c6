"""A web server with range requests that also speaks enough S3 for a store: objects in memory, faults on request."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape


class ObjectServer(ThreadingHTTPServer):
    """The server.

    Attributes
    ----------
    objects
        Content of each object by its path, ``bucket/key``.
    log
        Method and path of each request that was served.
    fault
        Returns what goes wrong with a request, by its method, path and number of tries so far: a status such as
        ``503``, ``"drop"`` (the connection closes without an answer), ``"cut"`` (in the middle of one); or None.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.log: list[tuple[str, str]] = []
        self.fault: Callable[[str, str, int], int | str | None] = lambda *_: None
        self.tries: Counter[tuple[str, str]] = Counter()
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def serve_folder(self, folder: Path, name: str) -> str:
        """Hold the files of a folder as objects and return their address."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.objects[f"{name}/{file.relative_to(folder).as_posix()}"] = file.read_bytes()
        return f"{self.address}/{name}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients hang up as they please."""


class _Handler(BaseHTTPRequestHandler):
    server: ObjectServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        name, query = unquote(parts.path).strip("/"), parse_qs(parts.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            tries = self.server.tries[self.command, name]
            self.server.tries[self.command, name] += 1
            self.server.log.append((self.command, name))
        fault = self.server.fault(self.command, name, tries)
        if fault == "drop":
            self.close_connection = True
            return
        if isinstance(fault, int):
            self._answer(fault, b"<Error><Code>SlowDown</Code></Error>")
            return
        self._cut = fault == "cut"
        if self.command == "POST":
            self._post(name, body, query)
        elif self.command == "PUT":
            part = query.get("partNumber", [""])[0]
            (self.server.parts if part else self.server.objects)[f"{name}{part and '#' + part.zfill(5)}"] = body
            self._answer(200, b"", tag=body)
        elif self.command == "DELETE":
            self.server.objects.pop(name, None)
            self._answer(204, b"")
        elif "list-type" in query:
            self._list(name, query.get("prefix", [""])[0], "delimiter" in query)
        elif name not in self.server.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._get(self.server.objects[name])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names that the base class calls

    def _post(self, name: str, body: bytes, query: dict[str, list[str]]) -> None:
        """Delete several objects, or begin or complete one that is sent in parts."""
        if "delete" in query:
            keys = [element.text for element in ElementTree.fromstring(body).iter() if element.tag.endswith("Key")]
            for key in keys:
                self.server.objects.pop(f"{name}/{key}", None)
            rows = "".join(f"<Deleted><Key>{escape(key or '')}</Key></Deleted>" for key in keys)
            self._answer(200, f"<DeleteResult>{rows}</DeleteResult>".encode())
        elif "uploads" in query:
            self._answer(200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        else:
            names = sorted(n for n in self.server.parts if n.startswith(f"{name}#"))
            whole = b"".join(self.server.parts.pop(n) for n in names)
            self.server.objects[name] = whole
            done = f"<CompleteMultipartUploadResult><ETag>{_tag(whole)}</ETag></CompleteMultipartUploadResult>"
            self._answer(200, done.encode())

    def _get(self, content: bytes) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            self._answer(200, content, tag=content)
            return
        first, _, last = asked.partition("-")
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(int(last) + 1, len(content)) if first and last else len(content)
        extent = f"bytes {start}-{stop - 1}/{len(content)}"
        self._answer(206, content[start:stop], tag=content, extent=extent)

    def _list(self, bucket: str, prefix: str, one_level: bool) -> None:
        found = {n.partition("/")[2]: c for n, c in self.server.objects.items() if n.startswith(f"{bucket}/{prefix}")}
        folders = {prefix + key[len(prefix) :].partition("/")[0] + "/" for key in found if "/" in key[len(prefix) :]}
        if one_level:
            found = {key: content for key, content in found.items() if "/" not in key[len(prefix) :]}
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{_tag(c)}&quot;</ETag><Size>{len(c)}</Size></Contents>"
            for key, c in sorted(found.items())
        )
        if one_level:
            rows += "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders))
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>{len(found)}</KeyCount>{rows}"
        self._answer(200, f"{text}</ListBucketResult>".encode())

    def _answer(self, status: int, content: bytes, tag: bytes | None = None, extent: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        if tag is not None:
            self.send_header("ETag", f'"{_tag(tag)}"')
        if extent:
            self.send_header("Content-Range", extent)
        self.end_headers()
        if self.command == "HEAD":
            return
        if getattr(self, "_cut", False) and status < 300:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content)


def _tag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Yield a running server."""
    server = ObjectServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
