"""What takes files by presigned URLs, as Amazon S3 does, on the loopback interface."""

import asyncio
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from ...handlers.web import EXPIRED, SIGNATURE


class Bucket:
    """Takes what is put; `uploads` has it by path, `headers` what came with the last one.

    Before all of something is read, `begun` is set, and it goes on once `may_go_on` is set.
    `refusal` is what it answers with instead, at once.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.uploads: dict[str, bytes] = {}
        self.headers: CIMultiDictProxy[str] | None = None
        self.requests = 0
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.refusal: web.Response | None = None
        app = web.Application(client_max_size=2**30)
        app.router.add_put("/{path:.*}", self._put)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        """Answer."""
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer no more."""
        self.may_go_on.set()
        await self._server.close()

    def url(self, path: str) -> str:
        """Return a presigned URL."""
        return f"http://127.0.0.1:{self._server.port}/{path}?{SIGNATURE}"

    def expire(self) -> None:
        """Refuse, as if all URLs were too old."""
        self.refusal = web.Response(
            status=403, body=EXPIRED, content_type="application/xml"
        )

    async def _put(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.headers = request.headers
        self.begun.set()
        await self.may_go_on.wait()
        if self.refusal is not None:
            return self.refusal
        self.uploads[request.match_info["path"]] = await request.read()
        return web.Response()
