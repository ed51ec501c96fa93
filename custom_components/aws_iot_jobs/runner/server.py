"""Run steps for others: the runner as an HTTP service.

What may be asked is described in docs/runner-api.yaml. Everything but the health check
wants the bearer token; a connection over which it does not come is closed soon.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from dataclasses import asdict
import hmac
import json
import logging
import os
from pathlib import Path
import platform
import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Middleware

from .bundle import read_bundle
from .connections import BACKLOG, Connections
from .durable import replace_file
from .inventory import fix_permissions, list_handlers
from .model import StepRequest
from .runs import ClosedError, Run, Runs, TooManyRunsError
from .system import operating_systems
from .wire import WireError, event_as_json, request_from_json, required_name

_LOGGER = logging.getLogger(__name__)

API_VERSION = 1
APP_VERSION_VARIABLE = "AWS_IOT_JOBS_APP_VERSION"
"""The environment variable that tells the version of the app, where this runs in it."""
MAX_BODY_BYTES = 256 * 1024
KEEP_ALIVE_SECONDS = 60
"""How long a connection of a client may be idle."""
BODY_SECONDS = 20
"""How long the body of a request may take to come."""
HEARTBEAT_SECONDS = 15
"""How often an event stream that has nothing to tell sends an empty line."""
_CHECKED = "check"
"""The id of a run that there will not be."""

_CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)
_RUNS: web.AppKey[Runs] = web.AppKey("runs", Runs)
_HANDLERS: web.AppKey[Path] = web.AppKey("handlers", Path)
_BUNDLE: web.AppKey[Path] = web.AppKey("bundle", Path)

# What a header can carry.
_TOKEN = re.compile(rb"[!-~]+")

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    runs: Runs, handler_directory: Path, token: str, bundle: Path | None = None
) -> web.Application:
    """Return the service. It starts and closes the runs with itself.

    `bundle` is where a file may be left for its client.
    """
    connections = Connections()
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[_errors_as_json, _require(token, connections)],
    )
    app[_CONNECTIONS] = connections
    app[_RUNS] = runs
    app[_HANDLERS] = handler_directory
    if bundle is not None:
        app[_BUNDLE] = bundle
    app.add_routes(
        [
            web.get("/health", _health),
            web.get("/v1/info", _info),
            web.get("/v1/bundle", _get_bundle),
            web.get("/v1/handlers", _list_handlers),
            web.post("/v1/handlers/fix-permissions", _fix_permissions),
            web.post("/v1/check", _check),
            web.put("/v1/runs/{run_id}", _put_run),
            web.get("/v1/runs/{run_id}", _get_run),
            web.get("/v1/runs/{run_id}/events", _events),
            web.delete("/v1/runs/{run_id}", _delete_run),
            web.delete("/v1/jobs/{job_key}", _release_job),
        ]
    )
    app.on_startup.append(_start)
    app.on_shutdown.append(_close)
    return app


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[int]:
    """Serve within this context; yield the port. Raises OSError when it is taken."""
    # No access log: addresses name jobs, and health checks come all the time.
    service = web.AppRunner(
        app,
        handler_cancellation=True,
        access_log=None,
        logger=app[_CONNECTIONS].logger,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=1,
    )
    await service.setup()
    try:
        assert service.server is not None
        listening = await asyncio.get_running_loop().create_server(
            app[_CONNECTIONS].guard(service.server), host, port, backlog=BACKLOG
        )
        try:
            yield listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
    finally:
        await service.cleanup()
        app[_CONNECTIONS].close()


def load_token(file: Path) -> str:
    """Return the token of a file that only we can read; made when there is none.

    Blocks: not for an event loop. Raises OSError.
    """
    try:
        token = file.read_bytes().strip()
        if _TOKEN.fullmatch(token):
            return token.decode()
        _LOGGER.warning("%s holds no token; a new one is made", file)
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_urlsafe(32)
    replace_file(file, made)
    return made


def _require(token: str, connections: Connections) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if hmac.compare_digest(given, expected):
            connections.trust(request.transport)
        elif request.path != "/health":
            connections.turned_away(request.remote)
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return check


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: _Handler
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as err:
        headers = {
            name: value
            for name, value in err.headers.items()
            if name in ("Allow", "WWW-Authenticate")
        }
        response = web.json_response(
            {"error": err.text or err.reason}, status=err.status, headers=headers
        )
        if isinstance(err, web.HTTPUnauthorized):
            response.force_close()
        return response


async def _health(_: web.Request) -> web.Response:
    response = web.json_response({"status": "ok"})
    # A connection without the token has no long life in any case.
    response.force_close()
    return response


async def _info(request: web.Request) -> web.Response:
    release = await asyncio.to_thread(operating_systems)
    return web.json_response(
        {
            "api_version": API_VERSION,
            "app_version": os.environ.get(APP_VERSION_VARIABLE),
            "operating_systems": release,
            "architecture": platform.machine(),
            "handler_directory": str(request.app[_HANDLERS]),
        }
    )


async def _get_bundle(request: web.Request) -> web.Response:
    if (file := request.app.get(_BUNDLE)) is None:
        raise _no_bundle()
    try:
        content = await asyncio.to_thread(read_bundle, file)
    except (FileNotFoundError, NotADirectoryError):
        raise _no_bundle() from None
    except OSError as err:
        raise web.HTTPConflict(text=f"{file}: {err.strerror}") from err
    return web.Response(body=content)


def _no_bundle() -> web.HTTPNotFound:
    return web.HTTPNotFound(text="there is no bundle")


async def _list_handlers(request: web.Request) -> web.Response:
    handlers = await asyncio.to_thread(list_handlers, request.app[_HANDLERS])
    return web.json_response([asdict(handler) for handler in handlers])


async def _fix_permissions(request: web.Request) -> web.Response:
    try:
        fix = await asyncio.to_thread(fix_permissions, request.app[_HANDLERS])
    except OSError as err:
        raise web.HTTPConflict(text=f"{err.filename}: {err.strerror}") from err
    return web.json_response(asdict(fix))


async def _check(request: web.Request) -> web.Response:
    step = await _step(request, _CHECKED)
    return web.json_response(asdict(await request.app[_RUNS].check(step)))


async def _put_run(request: web.Request) -> web.Response:
    step = await _step(request, request.match_info["run_id"])
    try:
        run, begun = await request.app[_RUNS].put(step)
    except TooManyRunsError:
        raise web.HTTPTooManyRequests(text="too many runs at this time") from None
    except ClosedError:
        raise web.HTTPServiceUnavailable(text="the service is stopping") from None
    except OSError as err:
        raise web.HTTPInsufficientStorage(
            text=f"cannot be saved: {err.strerror}"
        ) from err
    return web.json_response(_describe(run), status=201 if begun else 200)


async def _step(request: web.Request, run_id: str) -> StepRequest:
    try:
        return request_from_json(run_id, await _json(request))
    except WireError as err:
        raise web.HTTPBadRequest(text=str(err)) from err


async def _json(request: web.Request) -> object:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return json.loads(await request.read())
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the request does not come") from None
    except (ValueError, RecursionError) as err:
        raise WireError(f"not JSON: {err}") from err


async def _get_run(request: web.Request) -> web.Response:
    return web.json_response(_describe(_run_of(request)))


async def _events(request: web.Request) -> web.StreamResponse:
    run = _run_of(request)
    after = request.query.get("after", "0")
    if not after.isdecimal() or len(after) > 9:
        raise web.HTTPBadRequest(text="after: must be a number of 0 or more")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    heartbeat = asyncio.create_task(_beat(response))
    try:
        with run.followed():
            async for numbered in run.read(int(after)):
                line = json.dumps(event_as_json(numbered)).encode() + b"\n"
                await response.write(line)
    finally:
        heartbeat.cancel()
    await response.write_eof()
    return response


async def _beat(response: web.StreamResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await response.write(b"\n")


async def _delete_run(request: web.Request) -> web.Response:
    if not request.app[_RUNS].stop(request.match_info["run_id"]):
        raise _unknown_run()
    return web.Response(status=204)


async def _release_job(request: web.Request) -> web.Response:
    try:
        job_key = required_name(request.match_info["job_key"], "job_key")
    except WireError as err:
        raise web.HTTPBadRequest(text=str(err)) from err
    await asyncio.shield(request.app[_RUNS].release(job_key))
    return web.Response(status=204)


def _run_of(request: web.Request) -> Run:
    if (run := request.app[_RUNS].get(request.match_info["run_id"])) is None:
        raise _unknown_run()
    return run


def _unknown_run() -> web.HTTPNotFound:
    return web.HTTPNotFound(text="there is no run of this id")


def _describe(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "events": run.events.last_number,
        "ended": run.result is not None,
    }


async def _start(app: web.Application) -> None:
    await app[_RUNS].start()


async def _close(app: web.Application) -> None:
    await app[_RUNS].close()
