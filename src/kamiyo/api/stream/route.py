"""``WS /stream``: where callers connect to the live stream."""

from __future__ import annotations

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from kamiyo.api.stream.grammar import Refused, error_text, hello_text
from kamiyo.api.stream.hub import RESTARTED, Hub
from kamiyo.api.stream.session import TOO_MANY_CONNECTIONS, Session
from kamiyo.core.modes import LIVE, Showing


def stream_route(hub: Hub, path: str = "/stream", *, showing: Showing = LIVE) -> WebSocketRoute:
    """The route, for the application to mount; the hub must run beside it."""

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(hello_text(showing, hub.coverage))
        if hub.has_room:
            await Session(hub, socket).run()
        else:
            await _turn_away(hub, socket)

    return WebSocketRoute(path, stream, name="stream")


async def _turn_away(hub: Hub, socket: WebSocket) -> None:
    code = RESTARTED if hub.closing else TOO_MANY_CONNECTIONS
    reason = "the server is restarting" if hub.closing else "too many connections"
    await socket.send_text(
        error_text(Refused(reason, code="unavailable" if hub.closing else "too_many_connections"))
    )
    await socket.close(code, reason)
