"""Downloads, from a server on this machine that misbehaves as its mirrors' names say."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minidrop.data import DataNotFoundError, download, mnist, sets


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
        self.requests = []
        self.closing = threading.Event()

    def mirror(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, filename = self.path.split("/")
        self.server.requests.append((behaviour, filename))
        content = self.server.files[filename]
        if behaviour == "missing":
            self.send_error(404)
        elif behaviour == "forbidden":
            self.send_error(403)
        elif behaviour == "loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif behaviour == "silent":
            self.server.closing.wait(10)
        elif behaviour == "drip":
            self.send_response(200)
            self.end_headers()
            for byte in content:
                if self.server.closing.wait(0.02):
                    return
                self.wfile.write(bytes([byte]))
        else:
            sent = {
                "good": content,
                "rewrapped": gzip.compress(gzip.decompress(content), compresslevel=1),
                "cut": content[:-20],
                "wrong": gzip.compress(b"\0\0\x08\x01\0\0\0\x01!"),
                "html": b"<html>please log in</html>",
            }[behaviour]
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent) + 20 * (behaviour == "cut")))
            self.end_headers()
            self.wfile.write(sent)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tiny_mnist, nowhere, monkeypatch):
    monkeypatch.delenv("MINIDROP_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server({**tiny_mnist.files["train"], **tiny_mnist.files["test"]})
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


def use(monkeypatch, server, *behaviours):
    mirrors = [server.mirror(behaviour) for behaviour in behaviours]
    monkeypatch.setitem(sets._MIRRORS, "mnist", mirrors)


@pytest.mark.parametrize("behaviour", ["good", "rewrapped"])
def test_downloads_once(server, tiny_mnist, nowhere, monkeypatch, behaviour):
    use(monkeypatch, server, behaviour)
    for _ in range(2):
        images, labels = mnist()
        np.testing.assert_array_equal(images, tiny_mnist.arrays["train"][0])
        np.testing.assert_array_equal(labels, tiny_mnist.arrays["train"][1])
    assert len(server.requests) == 2
    files = sorted(path.name for path in (nowhere / "cache" / "mnist").iterdir())
    assert files == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


BAD = {
    "missing": "404",
    "forbidden": "403",
    "loop": "redirects",
    "cut": "[iI]ncomplete",
    "wrong": "its sha256 is",
    "html": "not an IDX file",
}


@pytest.mark.parametrize("behaviour", BAD)
def test_bad_mirror_leaves_nothing_and_says_why(server, nowhere, monkeypatch, behaviour):
    use(monkeypatch, server, behaviour)
    with pytest.raises(DataNotFoundError, match=f"{behaviour}/train-images.*{BAD[behaviour]}"):
        mnist()
    assert list((nowhere / "cache" / "mnist").iterdir()) == []


@pytest.mark.parametrize("behaviour", BAD)
def test_next_mirror_is_asked(server, tiny_mnist, monkeypatch, behaviour):
    use(monkeypatch, server, behaviour, "good")
    np.testing.assert_array_equal(mnist()[0], tiny_mnist.arrays["train"][0])


def test_all_mirrors_are_named(server, monkeypatch):
    use(monkeypatch, server, "missing", "html", "cut")
    with pytest.raises(DataNotFoundError, match="missing/train(.|\n)*html/train(.|\n)*cut/train"):
        mnist()


@pytest.mark.parametrize("behaviour", ["silent", "drip"])
def test_slow_mirror_is_given_up(server, nowhere, monkeypatch, behaviour):
    use(monkeypatch, server, behaviour)
    monkeypatch.setattr(download, "_PATIENCE", 0.3)
    with pytest.raises(DataNotFoundError, match=f"{behaviour}/train-images.*given up after"):
        mnist()
    server.closing.set()
    assert not (nowhere / "cache" / "mnist" / "train-images-idx3-ubyte.gz").exists()


def test_mirror_that_does_not_answer_leaves_time_for_the_next(server, tiny_mnist, monkeypatch):
    use(monkeypatch, server, "silent", "good")
    monkeypatch.setattr(download, "_TIMEOUT", 0.1)
    np.testing.assert_array_equal(mnist()[0], tiny_mnist.arrays["train"][0])


def test_endless_file_is_cut_off(server, monkeypatch):
    use(monkeypatch, server, "good")
    monkeypatch.setattr(download, "_MAX_BYTES", 100)
    with pytest.raises(DataNotFoundError, match="longer than 100 bytes"):
        mnist()


def test_offline(server, monkeypatch):
    use(monkeypatch, server, "good")
    monkeypatch.setenv("MINIDROP_OFFLINE", "1")
    with pytest.raises(DataNotFoundError, match="forbidden by MINIDROP_OFFLINE"):
        mnist()
    assert server.requests == []


def test_root_forbids_downloads(server, nowhere, monkeypatch):
    use(monkeypatch, server, "good")
    with pytest.raises(DataNotFoundError):
        mnist(root=nowhere)
    assert server.requests == []


def test_cache_that_cannot_be_written(server, nowhere, monkeypatch):
    use(monkeypatch, server, "good")
    (nowhere / "cache").write_text("a file where a folder should be")
    with pytest.raises(DataNotFoundError, match="download .*cache"):
        mnist()


def test_without_pooch(server, monkeypatch):
    use(monkeypatch, server, "good")
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(DataNotFoundError, match="pooch is not installed"):
        mnist()
