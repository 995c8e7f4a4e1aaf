"""Serves the built site to browsers on this machine: its files, and nothing else."""

import functools
import http
import http.server
import urllib.parse
from pathlib import Path

from sotlib.companion.book._common import BookError

_HOSTS = {"localhost", "127.0.0.1"}


def server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server for a folder on loopback; port 0 takes any."""
    handler = functools.partial(_Handler, directory=str(folder.resolve()))
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BookError(f"cannot serve on port {port}: {reason}") from None


class _Handler(http.server.SimpleHTTPRequestHandler):
    def send_head(self):
        """Refuse what is not a file of the site, or was asked for by another site's name."""
        if self._host() not in _HOSTS:
            # A page elsewhere whose name was made to lead here could read all answers.
            self.send_error(http.HTTPStatus.FORBIDDEN, "Open this site as localhost")
            return None
        path = Path(self.translate_path(self.path))
        if path.is_dir():  # no listing
            path /= "index.html"
        if not (path.is_file() and path.resolve().is_relative_to(self.directory)):
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _host(self) -> str | None:
        try:
            return urllib.parse.urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return None
