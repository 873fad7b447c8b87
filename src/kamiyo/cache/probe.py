"""Whether a Redis is there, and which."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kamiyo.core.errors import StorageUnavailable

_PATIENCE_SECONDS = 2


async def read_version(redis_url: str) -> str:
    """Its name and version; StorageUnavailable if it does not answer."""
    client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its keyword arguments are untyped
        redis_url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
    )
    try:
        async with client as redis:
            info: dict[str, object] = await redis.info("server")  # pyright: ignore[reportUnknownMemberType]
    except (RedisError, OSError, TimeoutError) as error:
        raise StorageUnavailable(f"{type(error).__name__}: {error}") from error
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"
