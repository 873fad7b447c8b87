"""Protocols and tokens that are known by two names: the second is read as the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Stems, without "finance", "protocol" and the like: former names, tokens that stand for their protocol, and
# products that are known better than who makes them. docs/explanation/matching.md tells what they change.
_NAMES: Final = (
    ("abracadabra", "abracadabraspell", "magicinternet", "mim", "mimspell", "spell"),
    ("bedrock", "unibtc"),
    ("bungee", "socket", "socketgateway"),
    ("bunny", "pancakebunny"),
    ("curio", "cgt"),
    ("deus", "dei"),
    ("dforce", "lendf", "lendfme"),
    ("fluid", "instadapp"),
    ("gamma", "visor"),
    ("hyperliquid", "hl"),
    ("mobius", "mbu"),
    ("multichain", "anyswap"),
    ("ooki", "bzx", "fulcrum"),
    ("save", "solend"),
    ("surge", "surgebnb", "xsurge"),
    ("synapse", "nerve"),
    ("yearn", "yearnether", "yeth"),
)
NAMED_TWICE: Final[Mapping[str, str]] = {other: first for first, *others in _NAMES for other in others}
