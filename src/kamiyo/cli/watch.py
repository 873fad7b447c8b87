"""``kamiyo watch``: liquidations as they come, and what their absence means."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import msgspec

from kamiyo.api.stream.grammar import ANY, Liquidations
from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, Meta, ServerOption, SourceLine, open_client
from kamiyo.cli.exits import ungrouped
from kamiyo.cli.output import LOUD, amount, clean, open_console, print_json
from kamiyo.cli.query import (
    AssetOption,
    LiquidationRow,
    MethodOption,
    MinUsdOption,
    SideOption,
    UserOption,
    read_liquidation,
)
from kamiyo.cli.subscription import Listener, Subscription
from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from kamiyo.core.modes import Mode
from kamiyo.core.time import Clock
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.logging import configure

LOOK = timedelta(seconds=5)
QUIET = timedelta(minutes=1)
_REMEMBERED = 10_000
_NOT_LIVE = frozenset(mode.lower() for mode in Mode if mode is not Mode.LIVE)


def watch(
    *,
    asset: AssetOption = None,
    user: UserOption = None,
    side: SideOption = None,
    method: MethodOption = None,
    min_usd: MinUsdOption = None,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Show liquidations as they come; tell a blind server from a quiet market.

    With --json each line is an object: "channel" is "liquidations", or "watch" with the "state" of what is
    watched: connected, lost, missed, sighted, behind, blind, unknown, quiet; replay or simulated if what is
    watched happened before, or never.
    """
    wanted = Liquidations(asset=asset or ANY, user=user or ANY, side=side, method=method, min_usd=min_usd)
    configure(json=json)
    with ungrouped():
        asyncio.run(_watch(server, wanted, Screen(json=json), SystemClock()))


async def _watch(server: str, wanted: Liquidations, screen: Screen, clock: Clock) -> None:
    async with open_client(server) as client, asyncio.TaskGroup() as tasks:

        async def ask() -> Meta:
            return (await client.listing("/liquidations", {}, 1)).meta

        sight = Sight(ask, screen, clock)
        tasks.create_task(Subscription(server, wanted, sight, clock).run())
        tasks.create_task(sight.keep_looking())


class Screen:
    """What is in front of the person or the machine; notices go to people on standard error."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._out, self._error = open_console(), open_console(error=True)
        self._shown: OrderedDict[str, None] = OrderedDict()

    def messages(self, rows: Sequence[msgspec.Raw], *, replayed: bool) -> None:
        """Show liquidations; what comes a second time says more of a known one."""
        for content in rows:
            row = read_liquidation(content)
            again = self._shown_before(row.liquidation_id)
            if self._json:
                print_json({"channel": "liquidations", "replayed": replayed, "again": again, "data": content})
            else:
                self._out.print(clean(line_of(row, again=again, replayed=replayed)), soft_wrap=True)

    def notice(self, state: str, detail: str) -> None:
        """Say something of the connection or of the server's sources."""
        if self._json:
            print_json({"channel": "watch", "state": state, "detail": detail})
        else:
            style = LOUD if state in _NOT_LIVE else "dim"
            self._error.print(clean(f"-- {detail}"), style=style, soft_wrap=True)

    def _shown_before(self, identity: str) -> bool:
        before = identity in self._shown
        self._shown[identity] = None
        if len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
        return before


class Sight:
    """Guards what is known of the server's sources, so that blind is never taken for quiet."""

    def __init__(self, ask: Callable[[], Awaitable[Meta]], listener: Listener, clock: Clock) -> None:
        self._ask = ask
        self._listener = listener
        self._clock = clock
        self._told: str | None = None
        self._quiet_since = clock.now()
        self._patience = QUIET

    def messages(self, rows: Sequence[msgspec.Raw], *, replayed: bool) -> None:
        """Pass liquidations on: it is not quiet."""
        self._begin_quiet()
        self._listener.messages(rows, replayed=replayed)

    def notice(self, state: str, detail: str) -> None:
        """Pass a notice on."""
        self._listener.notice(state, detail)

    async def keep_looking(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK)

    async def look(self) -> None:
        """Say whether a source is live when that has changed, and that it is merely quiet when it is."""
        state, detail = await self._state()
        if state != self._told:
            self._told = state
            self._begin_quiet()
            self._listener.notice(state, detail)
        quiet = self._clock.now() - self._quiet_since
        if state == "sighted" and quiet >= self._patience:
            self._patience *= 2
            minutes = quiet // QUIET
            self._listener.notice("quiet", f"no liquidation that fits for {minutes} min; {detail}")

    def _begin_quiet(self) -> None:
        self._quiet_since = self._clock.now()
        self._patience = QUIET

    async def _state(self) -> tuple[str, str]:
        try:
            return judge(await self._ask())
        except (SourceUnavailable, InvalidQuery) as error:
            return "unknown", f"whether the server hears anything is unknown: {error}"


def judge(meta: Meta) -> tuple[str, str]:
    """Whether the server hears of liquidations now, in one word and in a sentence."""
    sources = meta.coverage.sources
    known = "; ".join(_describe(line) for line in sources) or "none is set up"
    if any(line.health == "live" for line in sources):
        return "sighted", f"the server hears of liquidations ({known})"
    if any(line.health == "behind" for line in sources):
        return "behind", f"the server is catching up: what comes is not of this moment ({known})"
    return "blind", f"BLIND: the server hears of no liquidations now, so silence means nothing ({known})"


def line_of(row: LiquidationRow, *, again: bool, replayed: bool) -> str:
    """One liquidation on one line."""
    notes = "".join(
        f"  ({note})" for note, holds in (("more is known", again), ("missed before", replayed)) if holds
    )
    return (
        f"{row.timestamp}  {row.asset:<10} {row.side:<5} {row.method:<8} {amount(row.amount_usd):>16} USD  "
        f"{row.size} at {row.liquidation_price}  {row.user}  {row.source}{notes}"
    )


def _describe(line: SourceLine) -> str:
    return f"{line.name} {line.health}, last heard {line.heard_at or 'never'}"
