"""The local server gives files of the site, and nothing else."""

import http.client
import threading

import pytest

from sotlib.companion.book import BookError
from sotlib.companion.book.__main__ import main
from sotlib.companion.book.serve import server
from sotlib.companion.files import write_atomically


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Ask a server for a path; returns the status and what came."""
    site = tmp_path / "site"
    files = ("index.html", "part/one.html", "with/index.html", "../secret.html", "../site2/a.html")
    for name in files:
        write_atomically((site / name).resolve(), name)
    (site / "empty").mkdir()
    (site / "out.html").symlink_to(tmp_path / "secret.html")
    (site / "folder").symlink_to(tmp_path)
    (site / "within.html").symlink_to("index.html")
    monkeypatch.setattr("http.server.SimpleHTTPRequestHandler.log_message", lambda *_: None)
    with server(site, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()

        def ask(path, host=None, method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", running.server_port, timeout=10)
            connection.putrequest(method, path, skip_host=True)
            if host != "":
                connection.putheader("Host", host or f"localhost:{running.server_port}")
            connection.endheaders()
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            return answer.status, text

        yield ask
        running.shutdown()


def test_files_of_the_site_are_served(ask):
    assert ask("/") == ask("/index.html") == ask("/within.html") == (200, "index.html")
    assert ask("/part/one.html?a=b#c") == (200, "part/one.html")
    assert ask("/with/") == (200, "with/index.html")
    assert ask("/with")[0] == 301
    assert ask("/index.html", method="HEAD") == (200, "")


@pytest.mark.parametrize(
    "path",
    [
        *("/part", "/part/", "/empty/", "/gone.html", "/part/one.html/", "/%00", "/con:"),
        *(
            "/../secret.html",
            "/%2e%2e/secret.html",
            "/part/..%2f..%2fsecret.html",
            "/..\\secret.html",
        ),
        *(
            "/out.html",
            "/folder/",
            "/folder/secret.html",
            "/folder/site2/a.html",
            "//../secret.html",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_else_is(ask, path, method):
    status, text = ask(path, method=method)
    assert status == 404
    assert "secret.html" not in text
    assert "one.html" not in text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "", "[::1", "192.168.0.1",
     "localhost@evil.example"],
)  # fmt: skip
def test_other_names_are_refused(ask, host):
    """A page elsewhere may let its own name lead to this machine."""
    assert ask("/index.html", host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000"])
def test_names_of_this_machine_are_served(ask, host):
    assert ask("/index.html", host=host) == (200, "index.html")


def test_ports_that_cannot_be_are_messages(tmp_path, capsys):
    write_atomically(tmp_path / "html/index.html", "")
    assert main(["serve", "--out", str(tmp_path), "--port", "99999"]) == 1
    assert "error: cannot serve on port 99999" in capsys.readouterr().err
    refused = pytest.raises(BookError, match="Address already in use")
    with server(tmp_path, 0) as running, refused:
        server(tmp_path, running.server_port)
