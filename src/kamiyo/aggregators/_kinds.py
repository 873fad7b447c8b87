"""What sort of case a list's words for it mean, in the catalogue's categories."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = re.compile(r"[^\W_]+")
# The first phrase all of whose words stand in the text decides. Words are compared whole.
_PHRASES: Final = tuple(
    (frozenset(phrase.split()), category)
    for category, phrases in (
        ("rug_pull", ("rugpull", "rug pull", "rug", "exit scam", "backdoor")),
        (
            "key_theft",
            (
                "private key",
                "private keys",
                "hot wallet",
                "hot wallets",
                "mnemonic",
                "social engineering",
                "phishing",
                "key compromised",
                "compromised multisig",
                "safe multisig",
            ),
        ),
        ("oracle_failure", ("oracle misconfiguration", "outdated oracle", "stale oracle", "bad oracle")),
        (
            "oracle_manipulation",
            ("oracle", "price manipulation", "price manipulated", "manipulable price", "price oracles"),
        ),
        ("bridge", ("bridge",)),
    )
    for phrase in phrases
)
_CONTRACT: Final = frozenset(
    _WORDS.findall(
        "reentrancy access control overflow underflow validation logic rounding precision flaw bug mint "
        "flashloan delegatecall initialization initialize unchecked slippage unsafe unprotected arithmetic "
        "inflation approval calculation miscalculation exploit vulnerability calldata signature contract"
    )
)


def category_of(*texts: str) -> str | None:
    """The category these words speak of, the surest first; None where they do not say."""
    words = frozenset(_WORDS.findall(" ".join(texts).casefold()))
    for phrase, category in _PHRASES:
        if phrase <= words:
            return category
    return "smart_contract_exploit" if words & _CONTRACT else None
