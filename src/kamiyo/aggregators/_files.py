"""Whole files on a server, asked for again and again: each with its own conditions, memory and trouble."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import ClassVar, Final

import msgspec

from kamiyo.aggregators._polled import Asking, Page, PolledAggregator, Validators
from kamiyo.aggregators.base import Alive, StreamItem, Toolbox, Waiting
from kamiyo.core.errors import InvalidSettings, Permanent, SourceUnavailable
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw

_MIB: Final = 1 << 20
_CONTENT_BYTES: Final = 16
_HEADERS: Final = {"user-agent": "kamiyo"}
_LONGEST_KIND: Final = 64


class FileRefused(Permanent):
    """A file came, and is not what its name says; says why."""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it stands with one file.

    What its server knows it by, a digest of what it held, why it was refused where it was, and what its
    reader remembers of it.
    """

    validators: Validators = Validators()
    content: str = ""
    refused: str = ""
    memory: str = ""


class _Standings(msgspec.Struct, frozen=True):
    """What a cursor holds. ``reading`` is how the files were read: read otherwise, they are new again."""

    reading: str
    files: Mapping[str, Standing]


# What a file says so far, and what is to be remembered once that is stored; None for nothing yet.
Told = tuple[Raw, str | None]


class FilesAggregator(PolledAggregator):
    """A few files, each asked for under its own conditions; trouble with one is said and stops no other.

    ``reading`` changes with whatever changes what a file means: then every file is read again.
    """

    files: ClassVar[tuple[str, ...]]
    kinds: ClassVar[frozenset[str]]
    largest: ClassVar[int]

    def __init__(self, tools: Toolbox, url: str, reading: str) -> None:
        super().__init__(tools)
        self.asking = Asking(tools.session, tools.clock)
        self._url = url.rstrip("/")
        self._reading = f"{reading} {self._url}"

    @abstractmethod
    def read(self, name: str, body: bytes, memory: str) -> AsyncGenerator[Told, None]:
        """What is new in a file; FileRefused, before anything is given, where it is not understood."""

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[StreamItem, None]:
        """What is new in the files that changed; what is wrong with a file stays said until it is mended."""
        standings, problems, answered = self._standings(cursor), list[str](), False
        for name in self.files:
            try:
                page = await self.asking.page(self.url_of(name), standings[name].validators, _HEADERS)
            except SourceUnavailable as error:
                problems.append(f"{name}: {error}")
                continue
            answered = True
            if page is not None:
                async with aclosing(self._tell(name, page, standings)) as raws:
                    async for raw in raws:
                        yield raw
            if standings[name].refused:
                problems.append(f"{name}: {standings[name].refused}")
        if answered:
            yield Alive(self.clock.now(), self._cursor(standings), lacking="; ".join(problems))
        if len(problems) == len(self.files):
            yield Waiting("; ".join(problems))

    def url_of(self, name: str) -> str:
        """Where a file is."""
        return f"{self._url}/{name}"

    def checked(self, page: Page) -> bytes:
        """What the page holds; FileRefused where that cannot be such a file."""
        if page.kind and page.kind not in self.kinds:
            raise FileRefused(f"it is served as {page.kind[:_LONGEST_KIND]!r}")
        if len(page.body) > self.largest:
            raise FileRefused(f"it is larger than {self.largest // _MIB} MiB")
        if page.body.lstrip()[:1] == b"<":
            raise FileRefused("it is a page of HTML or XML")
        return page.body

    async def _tell(
        self, name: str, page: Page, standings: dict[str, Standing]
    ) -> AsyncGenerator[StreamItem, None]:
        """What a page says that came, and how it stands with the file afterwards."""
        known, content = standings[name], content_of(page.body)
        new = Standing(page.validators, content, known.refused, known.memory)
        if content != known.content:
            new = msgspec.structs.replace(new, refused="")
            try:
                async with aclosing(self.read(name, self.checked(page), known.memory)) as told:
                    async for raw, memory in told:
                        if memory is not None:
                            new = msgspec.structs.replace(new, memory=memory)
                            # Not yet known as this content: what was not told of it must be asked for again.
                            standings[name] = msgspec.structs.replace(known, memory=memory)
                        cursor = None if memory is None else self._cursor(standings)
                        yield msgspec.structs.replace(raw, cursor=cursor)
            except FileRefused as refusal:
                new = msgspec.structs.replace(new, refused=str(refusal))
        standings[name] = new

    def _standings(self, cursor: Cursor | None) -> dict[str, Standing]:
        standings = dict.fromkeys(self.files, Standing())
        try:
            found = _decode(cursor or "")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return standings
        if found.reading != self._reading:
            return standings
        return standings | {name: each for name, each in found.files.items() if name in standings}

    def _cursor(self, standings: Mapping[str, Standing]) -> Cursor:
        return Cursor(_encode(_Standings(self._reading, standings)).decode())


_decode = msgspec.json.Decoder(_Standings).decode
_encode = msgspec.json.Encoder().encode


def content_of(body: bytes) -> str:
    """A digest that tells one content from another."""
    return hashlib.blake2b(body, digest_size=_CONTENT_BYTES).hexdigest()


def check_url(setting: str, url: str) -> str:
    """The address, which is shown and logged; InvalidSettings where it holds a user or a password."""
    if "@" in url:
        raise InvalidSettings(f"{setting} holds a user or a password: leave it out")
    return url
