"""A local Telegram: its Bot API and the previews of its channels over real sockets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

from kamiyo.core.time import Clock, rfc3339
from tests.services.server import Reply, Request, json_reply

_PAGE = 20
_MOST = 100


@dataclass
class Message:
    """A post of a channel."""

    text: str
    at: str
    edited: bool = False
    forwarded_from: str = ""


@dataclass
class Telegram:
    """Channels, a bot that is in some of them, and what the test wants to go wrong.

    ``answers`` are given instead of the next ones. What the bot confirmed is forgotten, as Telegram does.
    """

    token: str
    clock: Clock
    channels: dict[str, dict[int, Message]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)  # channels without a preview
    updates: list[dict[str, Any]] = field(default_factory=list)
    next_update: int = 10_000
    answers: list[Reply | Callable[[Request], Reply]] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)  # the updates that were forgotten
    etags: bool = False
    not_modified: int = 0
    webhook: bool = False
    wanted: set[str] = field(default_factory=set)  # what the bot asks to hear of
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    # --- what happens in its channels -----------------------------------------------------------------------

    def post(self, channel: str, text: str, *, bot: bool = False, **more: Any) -> int:
        """Somebody writes a post; with ``bot`` the bot is in the channel and hears of it."""
        messages = self.channels.setdefault(channel, {})
        number = max(messages, default=0) + 1
        messages[number] = Message(text, rfc3339(self.clock.now()), **more)
        if bot:
            self.update("channel_post", channel, number)
        return number

    def edit(self, channel: str, number: int, text: str, *, bot: bool = False) -> None:
        self.channels[channel][number].text = text
        self.channels[channel][number].edited = True
        if bot:
            self.update("edited_channel_post", channel, number, edit_date=int(self.clock.now().timestamp()))

    def update(self, kind: str, channel: str, number: int, **more: Any) -> None:
        """Tell the bot."""
        chat = {"id": -1001234567890, "title": channel, "username": channel, "type": "channel"}
        post = {
            "message_id": number,
            "sender_chat": chat,
            "chat": chat,
            "date": int(self.clock.now().timestamp()),
            "text": self.channels[channel][number].text,
        }
        self.updates.append({"update_id": self.next_update, kind: post | more})
        self.next_update += 1
        self._arrived.set()

    # --- what is asked --------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Reply:
        if self.answers:
            given = self.answers.pop(0)
            return given if isinstance(given, Reply) else given(request)
        if request.path.startswith("/s/"):
            return self._preview(request)
        if request.path != f"/bot{self.token}/getUpdates":
            return json_reply({"ok": False, "error_code": 401, "description": "Unauthorized"}, 401)
        if self.webhook:
            return json_reply({"ok": False, "error_code": 409, "description": "Conflict"}, 409)
        return await self._get_updates(request)

    async def _get_updates(self, request: Request) -> Reply:
        self.wanted.add(request.query["allowed_updates"])
        offset = int(request.query.get("offset", 0))
        numbers = [each.get("update_id", offset) for each in self.updates]
        self.confirmed += [each for each in numbers if each < offset]
        kept = [number >= offset for number in numbers]
        self.updates = [each for each, keep in zip(self.updates, kept, strict=True) if keep]
        waited = 0
        while not self.updates and waited < int(request.query["timeout"]) * 1_000 // 250:
            await asyncio.sleep(0.004)
            waited += 1
        return json_reply({"ok": True, "result": self.updates[: min(int(request.query["limit"]), _MOST)]})

    def _preview(self, request: Request) -> Reply:
        channel = next(
            (each for each in self.channels if each.casefold() == request.path[3:].casefold()), None
        )
        if channel is None or channel in self.hidden:
            return Reply(302, b"", {"location": f"https://t.me/{request.path[3:]}"})
        before = int(request.query.get("before", 1 << 60))
        shown = sorted(each for each in self.channels[channel] if each < before)[-_PAGE:]
        page = self._page(channel, shown)
        etag = f'"{hash(page)}"'
        if self.etags and request.headers.get("if-none-match") == etag:
            self.not_modified += 1
            return Reply(304, headers={"etag": etag})
        return Reply(200, page, {"etag": etag} if self.etags else {})

    def _page(self, channel: str, numbers: list[int]) -> bytes:
        posts = "".join(preview_post(channel, each, self.channels[channel][each]) for each in numbers)
        return preview_page(posts)


def preview_page(posts: str) -> bytes:
    """A page as the preview shows it."""
    return f"""<!DOCTYPE html><html><head><title>Telegram</title></head><body class="widget_frame_base">
<main class="tgme_main"><div class="tgme_container">
<section class="tgme_channel_history js-message_history">{posts}</section>
</div></main></body></html>""".encode()


def preview_post(channel: str, number: int, message: Message) -> str:
    """A post as the preview shows it."""
    forwarded = ""
    if message.forwarded_from:
        link = f"https://t.me/{message.forwarded_from}/77"
        forwarded = f"""<div class="tgme_widget_message_forwarded_from accent_color">Forwarded from
<a class="tgme_widget_message_forwarded_from_name" href="{link}"><span dir="auto">Them</span></a></div>"""
    text = escape(message.text).replace("\n", "<br/>")
    edited = "edited " if message.edited else ""
    date = f'<a class="tgme_widget_message_date" href="https://t.me/{channel}/{number}">'
    return f"""<div class="tgme_widget_message_wrap js-widget_message_wrap">
<div class="tgme_widget_message text_not_supported_wrap js-widget_message" data-post="{channel}/{number}">
<div class="tgme_widget_message_bubble">{forwarded}
<div class="tgme_widget_message_text js-message_text" dir="auto">{text}</div>
<div class="tgme_widget_message_footer compact js-message_footer">
<div class="tgme_widget_message_info short js-message_info">
<span class="tgme_widget_message_views">{number}.2K</span>
<span class="tgme_widget_message_meta">{edited}{date}
<time datetime="{message.at}" class="time">10:00</time></a></span></div></div></div></div></div>"""
