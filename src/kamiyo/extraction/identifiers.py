"""Addresses and transaction hashes: complete ones only, as their chain writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from kamiyo.extraction.text import clean, links_in

_HEX: Final = re.compile(r"(?<![0-9A-Za-z])0x([0-9a-fA-F]{64}|[0-9a-fA-F]{40})(?![0-9A-Za-z]|\.{2}|\u2026)")
_BASE58: Final = re.compile(r"(?<![0-9A-Za-z])[1-9A-HJ-NP-Za-km-z]{32,88}+(?![0-9A-Za-z])")
_BARE_HASH: Final = re.compile(r"/(?:tx|transaction)/([0-9a-fA-F]{64})(?![0-9A-Za-z])")
_TRON: Final = re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}")
_BITCOIN: Final = re.compile(r"(?<![0-9A-Za-z])bc1[02-9ac-hj-np-z]{38,58}+(?![0-9A-Za-z])")
_SOLANA: Final = re.compile(
    r"solana|solscan\.io|solana\.fm|explorer\.solana|\bSPL\b|pump\.fun|\bSOL\b", re.IGNORECASE
)
_TRON_NAMED: Final = re.compile(r"tron", re.IGNORECASE)
_BLOCK: Final = re.compile(r"/block/0x[0-9a-fA-F]{64}")

_ADDRESS_DIGITS: Final = 40
_SHORTEST_SIGNATURE: Final = 86
_LONGEST_ADDRESS: Final = 44
_NOBODY: Final = frozenset({"0x" + "0" * 40, "0x" + "f" * 40, "0x" + "0" * 36 + "dead"})


def addresses_in(text: str) -> tuple[str, ...]:
    """Every complete address, in the order of appearance, each once; shortened ones are not addresses."""
    seen = clean(text)
    hexadecimal = ("0x" + digits for digits in _hex_digits(seen) if len(digits) == _ADDRESS_DIGITS)
    found = (*hexadecimal, *_BITCOIN.findall(seen), *_solana_addresses(seen), *_tron_addresses(seen))
    return _each_once(address for address in found if address not in _NOBODY)


def transactions_in(text: str) -> tuple[str, ...]:
    """Every complete transaction hash or signature, in the order of appearance, each once."""
    seen = _BLOCK.sub(" ", clean(text))
    hexadecimal = ("0x" + digits for digits in _hex_digits(seen) if len(digits) != _ADDRESS_DIGITS)
    bare = (digits.lower() for link in links_in(seen) for digits in _BARE_HASH.findall(link))
    signatures = (word for word in _solana_words(seen) if len(word) >= _SHORTEST_SIGNATURE)
    return _each_once(found for found in (*hexadecimal, *bare, *signatures) if found.strip("0x"))


def _hex_digits(text: str) -> Iterator[str]:
    return (digits.lower() for digits in _HEX.findall(text))


def _solana_words(text: str) -> Iterator[str]:
    words = _BASE58.findall(text) if _SOLANA.search(text) else []
    return (word for word in words if _mixed(word))


def _mixed(word: str) -> bool:
    """Whether it looks random: a word or a number of that length is neither."""
    return (
        any(letter.isdigit() for letter in word)
        and any(letter.isupper() for letter in word)
        and any(letter.islower() for letter in word)
    )


def _solana_addresses(text: str) -> Iterator[str]:
    return (word for word in _solana_words(text) if len(word) <= _LONGEST_ADDRESS and not _is_tron(word))


def _is_tron(word: str) -> bool:
    return _TRON.fullmatch(word) is not None


def _tron_addresses(text: str) -> Iterator[str]:
    words = _BASE58.findall(text) if _TRON_NAMED.search(text) else []
    return (word for word in words if _is_tron(word) and _mixed(word))


def _each_once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))
