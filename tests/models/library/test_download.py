"""Models from addresses, by a server on this machine: limits, resuming, and the same content each time."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from napari_superres.errors import ModelFileError, SettingsError
from napari_superres.models import add_model, search_models
from napari_superres.models.library import download
from napari_superres.models.library.download import fetched
from napari_superres.models.library.search import known_sha256
from napari_superres.storage import web

CONTENT = bytes(range(256)) * 400


class Server(ThreadingHTTPServer):
    """Serves one file; ``content`` and ``tag`` may change, ``starts`` lists where each answer began."""

    content, tag, ranges = CONTENT, "one", True
    breaks_at: int | None = None
    status = 200
    location = ""
    silent: threading.Event | None = None


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self):
        self.send_error(405)

    def do_GET(self):
        server = self.server
        if server.silent is not None:
            server.silent.wait()
            self.close_connection = True
            return
        if not self.path.partition("?")[0].endswith("net.pth"):
            self.send_error(404)
            return
        if server.status != 200:
            self.send_response(server.status)
            self.send_header("Location", server.location or self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = self.headers.get("Range", "") if server.ranges else ""
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        server.starts.append(start)
        body = server.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{server.tag}"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        self.wfile.write(body if server.breaks_at is None else server.content[start : server.breaks_at])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.starts = []
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
    server.breaks_at, server.starts[:] = None, []
    with fetched(server.address) as file:
        assert file.read_bytes() == CONTENT
    assert server.starts == [79_999]


def test_a_server_without_ranges_sends_the_whole_file(server):
    server.breaks_at, server.ranges = 80_000, False
    with pytest.raises(ModelFileError, match="could not be fetched completely"), fetched(server.address):
        pass
    server.breaks_at, server.starts[:] = None, []
    with fetched(server.address) as file:
        assert file.read_bytes() == CONTENT
    assert server.starts == [0]


def test_what_was_fetched_but_not_used_is_not_fetched_again(server):
    with pytest.raises(RuntimeError, match="not trusted"), fetched(server.address):
        raise RuntimeError("not trusted")
    server.starts[:] = []
    with fetched(server.address) as file:
        assert file.read_bytes() == CONTENT
    assert server.starts == [len(CONTENT) - 1]


def test_a_query_is_no_secret_and_no_name(server):
    with fetched(f"{server.address}?download=1") as file:
        assert file.name == "net.pth"
    for query in ("token=1", "a=1&X-Amz-Signature=1", "sig=1", "api%5Fkey=1"):
        with pytest.raises(SettingsError, match="must not hold a password"), fetched(f"{server.address}?{query}"):
            pass


@pytest.mark.parametrize(
    ("status", "location", "words"),
    [
        (302, "", "in a circle"),
        (302, "file:///etc/hostname", "leads to a file:// address"),
        (302, "ftp://example.org/net.pth", "leads to a ftp:// address"),
        (403, "", "refuses to give net.pth"),
        (404, "", "there is no file"),
        (500, "", "HTTP 500"),
        (418, "", "HTTP 418"),
    ],
)
def test_each_refusal_has_its_words_and_leaves_nothing(server, tmp_path, status, location, words):
    server.status, server.location = status, location
    with pytest.raises(ModelFileError, match=words) as caught, fetched(server.address):
        pass
    assert "same again" not in str(caught.value)
    assert not (tmp_path / "library" / "downloads").exists()


def test_servers_that_cannot_be_reached(server, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/net.pth"
        with pytest.raises(ModelFileError, match="takes no connection"), fetched(closed):
            pass

    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        pytest.raises(ModelFileError, match=r"no server called nowhere\.invalid"),
        fetched("http://nowhere.invalid/a.b"),
    ):
        pass


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(web, "SILENT_SECONDS", 0.2)
    server.silent, said = threading.Event(), []
    try:
        with (
            pytest.raises(ModelFileError, match=r"did not answer within 0\.2 s"),
            fetched(server.address, lambda step, _share: said.append(step)),
        ):
            pass
    finally:
        server.silent.set()
    assert said == ["waiting for 127.0.0.1, at most 30 s"]


@pytest.mark.parametrize("address", ["ftp://example.org/net.pth", "file:///tmp/net.pth", Path("ftp://a.org/net.pth")])
def test_other_addresses_are_refused_as_such(address):
    with pytest.raises(SettingsError, match=r"got (ftp|file)://"):
        add_model(address)


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


def test_what_cannot_be_fetched(server, monkeypatch, tmp_path):
    with pytest.raises(ModelFileError, match="there is no file"), fetched(server.address + ".zip"):
        pass
    with pytest.raises(SettingsError, match="https"), fetched("s3://bucket/net.pth"):
        pass
    monkeypatch.setattr(download, "LARGEST_BYTES", 1000)
    with pytest.raises(ModelFileError, match="GiB"), fetched(server.address):
        pass
    assert not list(tmp_path.rglob("net.pth"))


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
