"""What sort of attack a text says it was, in the catalogue's words."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = {
    "key_theft": (
        r"private[ -]key|\b(?:\w+ )?keys? (?:was |were )?(?:leak|compromis|stolen|theft)",
        r"compromised (?:key|wallet|signer|hot wallet)|\bhot wallets?\b|\bcold wallet\b",
        r"\bphish|\bseed phrase",
        r"\bmultisig compromise|\bfront[ -]?end is compromised|\bdrainer\b",
    ),
    "rug_pull": (r"\brug(?:ged|s)?\b|\brug[ -]?pull|\bexit[ -]scam|\bhoneypot",),
    "oracle_manipulation": (
        r"\boracle\b[^\n]{0,60}manipulat|manipulat[^\n]{0,60}\boracle|\bprice manipulation|\bfake price",
    ),
    "liquidation_attack": (
        r"\bself-?liquidat|\bliquidation attack|\bHLP\b[^\n]{0,80}(?:liquidat|inherit|short|long)",
    ),
    "market_manipulation": (r"\bmark[ -]price\b|\bmarket manipulation|\bsqueez|\bspoof|\bmanipulat",),
    "adl_cascade": (r"\bADL\b|\bauto-?deleverag",),
    "oracle_failure": (
        r"\bbad print|\bwick\b|\bprice feed\b|\bmispric|\boracle (?:failure|malfunction|error|bug)",
    ),
    "outage": (
        r"\boutage|\bdowntime",
        r"\b(?:API|front[ -]?end|chain|site) (?:is |are |was |were )?(?:down|offline|halted)",
    ),
    "bridge": (r"\bbridges? (?:exploit|hack|attack|contract|validator)|\bcross-chain|\bemergency[ -]?lock",),
    "smart_contract_exploit": (
        r"\breentran|\breentered|\bflash ?loan|\baccess control|\binteger|\boverflow|\brounding|\bprecision",
        r"\bdelegatecall|\barbitrary call|\bsmart[ -]contract|\blogic (?:bug|flaw|error)",
        r"\binfinite mint|\bunbacked",
        r"\bdonation attack|\bvulnerab|\bapproval|\bexploit",
    ),
}
_CATEGORIES: Final = tuple(
    (category, re.compile("|".join(words), re.IGNORECASE)) for category, words in _WORDS.items()
)


def category_of(text: str) -> str | None:
    """The first category whose words the text holds, None for none."""
    return next((category for category, pattern in _CATEGORIES if pattern.search(text)), None)
