"""Asking a publisher's worker over HTTP."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

from app.settings import Settings
from streaming.errors import ConfigError, RetryableError

QUERY_PATH: Final = "/query"

_TIMEOUT_S = 30.0


def publisher_url(settings: Settings) -> str:
    """Where the publisher of this machine answers. Raises ConfigError where it serves nothing."""
    if not settings.publisher_web_port:
        raise ConfigError("SMARTBANK_PUBLISHER_WEB_PORT is 0: no worker answers; name one with --url")
    host = settings.advertised_host or settings.web_host
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{settings.publisher_web_port}"  # noqa: S104


def ask(url: str, question: str, params: Mapping[str, str]) -> dict[str, Any]:
    """Return a worker's answer. Raises ConfigError where it refuses, RetryableError where nobody is there."""
    return asyncio.run(answer(url, question, params))


async def answer(base_url: str, question: str, params: Mapping[str, str]) -> dict[str, Any]:
    """The same, where a loop runs."""
    url = f"{base_url.rstrip('/')}{QUERY_PATH}/{question}"
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, params=params) as response,
        ):
            told: dict[str, Any] = msgspec.json.decode(await response.read())
            if response.status != 200:
                raise ConfigError(str(told.get("error", f"HTTP status {response.status}")))
            return told
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RetryableError(
            f"no publisher answers at {url}: {error or 'it took too long'}:"
            " start one with `python -m app worker publisher`, or name it with --url"
        ) from None
    except msgspec.DecodeError:
        raise ConfigError(f"{url} is no publisher: its answer is no JSON") from None
