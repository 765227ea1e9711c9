"""The least that an aiohttp server does: it reads a body and answers 204. `python -m bench.http_floor`."""

import asyncio

import uvloop
from aiohttp import web


async def answer(request: web.BaseRequest) -> web.Response:
    """Read, and say nothing."""
    await request.read()
    return web.Response(status=204)


async def serve() -> None:
    """Serve at a free port until killed; print the port."""
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as floor:
        floor.run(serve())
