"""A web server for downloads and uploads, good and bad, on the loopback interface."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import ssl
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
CONTENT = b"A file of many bytes.\n" * 10_000
SIGNATURE = "X-Amz-Credential=AKIDEXAMPLE&X-Amz-Signature=5ec2e7"
"""The query of a presigned URL: a secret."""
EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>Request has expired</Message><AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId>"
    b"<X-Amz-Expires>300</X-Amz-Expires></Error>"
)
"""What Amazon S3 says when a presigned URL is too old."""


class WebServer:
    """Serves any path with CONTENT, but for these.

    /missing/... 404, /forbidden/... 403, /moved/... elsewhere, with a signature of its own,
    /cut/... ends in the middle, /slow/... begins and goes on only when `release` is set,
    /broken/... ends in the middle the first time, and gives the rest to who asks for it.
    /no-range/... does so too, and gives all of it then.

    It takes what is put to any path, but for /forbidden/..., which says what Amazon S3 says,
    and /moved/....
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Take a port of the loopback interface."""
        self.release = threading.Event()
        self.begun = threading.Event()
        self.requests: list[str] = []
        self.ranges: list[str | None] = []
        self.uploads: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str, query: str = SIGNATURE) -> str:
        """Return the URL of a path."""
        return f"{self._scheme}://{HOST}:{self._server.server_port}{path}?{query}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                web.requests.append(self.path)
                web.ranges.append(self.headers["Range"])
                match path.split("/")[1]:
                    case "missing":
                        self.send_error(404)
                    case "forbidden":
                        self.send_error(403)
                    case "moved":
                        self.send_response(302)
                        self.send_header("Location", web.url("/missing/now"))
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                    case "elsewhere":
                        self.send_response(302)
                        self.send_header("Location", web.url("/there/file.bin"))
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                    case "cut":
                        self._send(CONTENT[:1000])
                    case "broken" | "no-range" if len(web.requests) == 1:
                        self._send(CONTENT[:1000])
                    case "broken":
                        self._send_rest()
                    case "slow":
                        self._send(CONTENT[:1000])
                        self.wfile.flush()
                        web.begun.set()
                        web.release.wait(30)
                    case _:
                        self._send(CONTENT)

            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                web.requests.append(self.path)
                match self.path.split("/")[1]:
                    case "forbidden":
                        self._answer(403, EXPIRED)
                    case "moved":
                        self._answer(307, b"", Location=web.url("/elsewhere"))
                    case _:
                        web.uploads[urlsplit(self.path).path] = content
                        self._answer(200, b"")

            def _answer(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _send_rest(self) -> None:
                """Give what is asked for, as far as a byte range says where it begins."""
                asked = self.headers["Range"]
                begin = int(asked.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206)
                self.send_header("Content-Length", str(len(CONTENT) - begin))
                end = len(CONTENT) - 1
                self.send_header("Content-Range", f"bytes {begin}-{end}/{len(CONTENT)}")
                self.end_headers()
                self.wfile.write(CONTENT[begin:])

            def _send(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(content)

            def end_headers(self) -> None:
                """Say that the connection ends: wget would use it again, and be too late."""
                self.send_header("Connection", "close")
                super().end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        return Handler
