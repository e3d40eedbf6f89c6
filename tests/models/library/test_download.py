"""Models from addresses, by a server on this machine: limits, resuming, and the same content each time."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_superres.errors import ModelFileError, SettingsError
from napari_superres.models import search_models
from napari_superres.models.library import download
from napari_superres.models.library.download import fetched
from napari_superres.models.library.search import known_sha256

CONTENT = bytes(range(256)) * 400


class Server(ThreadingHTTPServer):
    """Serves one file; ``content`` and ``tag`` may change, ``ranges`` lists what was asked for."""

    content, tag = CONTENT, "one"
    breaks_at: int | None = None


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self):
        self._answer(0, len(self.server.content), 200, body=False)

    def do_GET(self):
        asked = self.headers.get("Range", "")
        start, stop = 0, len(self.server.content)
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            start, stop = int(first), min(stop, int(last) + 1)
        if self.server.breaks_at is not None and start >= self.server.breaks_at:
            self.send_error(403)
            return
        self.server.ranges.append(start)
        self._answer(start, stop, 206 if asked else 200)

    def _answer(self, start, stop, status, *, body=True):
        if not self.path.endswith("net.pth"):
            self.send_error(404)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", f'"{self.server.tag}"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(self.server.content)}")
        self.end_headers()
        if body:
            self.wfile.write(self.server.content[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    monkeypatch.setattr(download, "_STEP", 40_000)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.ranges = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.address = f"http://127.0.0.1:{server.server_port}/models/net.pth"
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_and_removed(server):
    shares = []
    with fetched(server.address, lambda _step, share: shares.append(share)) as file:
        assert (file.name, file.read_bytes()) == ("net.pth", CONTENT)
    assert not file.exists()
    assert shares[-1] == 1.0


def test_what_broke_off_is_resumed(server):
    server.breaks_at = 80_000
    with pytest.raises(ModelFileError, match="could not be fetched completely") as caught, fetched(server.address):
        pass
    assert "resumed" in caught.value.remedy
    server.breaks_at, server.ranges[:] = None, []
    with fetched(server.address) as file:
        assert file.read_bytes() == CONTENT
    assert server.ranges == [80_000]


def test_another_file_is_not_resumed(server):
    server.breaks_at = 80_000
    with pytest.raises(ModelFileError), fetched(server.address):
        pass
    server.breaks_at, server.content, server.tag = None, CONTENT[::-1], "two"
    with fetched(server.address) as file:
        assert file.read_bytes() == CONTENT[::-1]


def test_an_exchanged_file_is_refused(server):
    with fetched(server.address):
        pass
    server.content, server.tag = CONTENT[::-1], "two"
    with pytest.raises(ModelFileError, match="was exchanged"), fetched(server.address):
        pass


def test_what_cannot_be_fetched(server, monkeypatch):
    with pytest.raises(ModelFileError, match="there is no file"), fetched(server.address + ".zip"):
        pass
    with pytest.raises(SettingsError, match="https"), fetched("s3://bucket/net.pth"):
        pass
    monkeypatch.setattr(download, "LARGEST_BYTES", 1000)
    with pytest.raises(ModelFileError, match="GiB"), fetched(server.address):
        pass
    assert server.ranges == []


def test_the_index_is_searched():
    found = search_models("SwinIR", "x4")
    assert found
    assert all(entry["architecture"] == "swinir" and entry["scale"] == 4 for entry in found)
    assert search_models("no such thing at all") == []
    assert {entry["collection"] for entry in search_models("io")} == {"OpenModelDB", "bioimage.io"}
    known = next(entry for entry in search_models("github.com") if entry.get("sha256"))
    assert known_sha256(known["address"]) == known["sha256"]
    assert all(entry["name"] and entry["page"].startswith("https://") for entry in search_models("https"))
    with pytest.raises(SettingsError, match="word"):
        search_models(" ")
