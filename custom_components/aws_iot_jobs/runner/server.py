"""Run steps for others: the runner as an HTTP service.

What may be asked is described in docs/runner-api.yaml. Everything but the health check
wants the bearer token.
"""

import asyncio
from collections.abc import Awaitable, Callable
import contextlib
from dataclasses import asdict
import hmac
import json
import logging
import os
from pathlib import Path
import platform
import secrets

from aiohttp import web
from aiohttp.typedefs import Middleware

from .inventory import fix_permissions, list_handlers
from .runs import ClosedError, OtherRunError, Run, Runs, TooManyRunsError
from .system import operating_systems
from .wire import WireError, event_as_json, request_from_json, required_name

_LOGGER = logging.getLogger(__name__)

API_VERSION = 1
APP_VERSION_VARIABLE = "AWS_IOT_JOBS_APP_VERSION"
"""The environment variable that tells the version of the app, where this runs in it."""
MAX_BODY_BYTES = 256 * 1024
HEARTBEAT_SECONDS = 15
"""How often an event stream that has nothing to tell sends an empty line."""

_RUNS: web.AppKey[Runs] = web.AppKey("runs", Runs)
_HANDLERS: web.AppKey[Path] = web.AppKey("handlers", Path)

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(runs: Runs, handler_directory: Path, token: str) -> web.Application:
    """Return the service. It starts and closes the runs with itself."""
    app = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[_errors_as_json, _require(token)]
    )
    app[_RUNS] = runs
    app[_HANDLERS] = handler_directory
    app.add_routes(
        [
            web.get("/health", _health),
            web.get("/v1/info", _info),
            web.get("/v1/handlers", _list_handlers),
            web.post("/v1/handlers/fix-permissions", _fix_permissions),
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


def load_token(file: Path) -> str:
    """Return the token of a file that only we can read; made when it is not there.

    Blocks: not for an event loop. Raises OSError.
    """
    try:
        if token := file.read_text().strip():
            return token
    except FileNotFoundError:
        pass
    token = secrets.token_urlsafe(32)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(token)
    return token


def _require(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if request.path != "/health" and not hmac.compare_digest(given, expected):
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
        return web.json_response(
            {"error": err.text or err.reason}, status=err.status, headers=headers
        )


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


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


async def _list_handlers(request: web.Request) -> web.Response:
    handlers = await asyncio.to_thread(list_handlers, request.app[_HANDLERS])
    return web.json_response([asdict(handler) for handler in handlers])


async def _fix_permissions(request: web.Request) -> web.Response:
    try:
        fix = await asyncio.to_thread(fix_permissions, request.app[_HANDLERS])
    except OSError as err:
        raise web.HTTPConflict(text=f"{err.filename}: {err.strerror}") from err
    return web.json_response(asdict(fix))


async def _put_run(request: web.Request) -> web.Response:
    try:
        step = request_from_json(request.match_info["run_id"], await _json(request))
    except WireError as err:
        raise web.HTTPBadRequest(text=str(err)) from err
    try:
        # A client that goes away leaves nothing half begun.
        run, begun = await asyncio.shield(request.app[_RUNS].put(step))
    except OtherRunError:
        raise web.HTTPConflict(text="there is another run of this id") from None
    except TooManyRunsError:
        raise web.HTTPTooManyRequests(text="too many runs at this time") from None
    except ClosedError:
        raise web.HTTPServiceUnavailable(text="the service is stopping") from None
    except OSError as err:
        raise web.HTTPInsufficientStorage(
            text=f"cannot be saved: {err.strerror}"
        ) from err
    return web.json_response(_describe(run), status=201 if begun else 200)


async def _json(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
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
        async for numbered in run.read(int(after)):
            await response.write(json.dumps(event_as_json(numbered)).encode() + b"\n")
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
    _run_of(request).stop.set()
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
        raise web.HTTPNotFound(text="there is no run of this id")
    return run


def _describe(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "events": len(run.events),
        "ended": run.result is not None,
    }


async def _start(app: web.Application) -> None:
    await app[_RUNS].start()


async def _close(app: web.Application) -> None:
    await app[_RUNS].close()
