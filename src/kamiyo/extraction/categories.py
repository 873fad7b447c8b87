"""What sort of attack a text says it was, in the catalogue's words."""

from __future__ import annotations

import re
from typing import Final

_CATEGORIES: Final = tuple(
    (category, re.compile(pattern, re.IGNORECASE))
    for category, pattern in (
        (
            "key_theft",
            r"private[ -]key|\bkeys? (?:leak|compromis|theft|stol)\w*|compromised (?:key|wallet|signer|hot wallet)|\bhot wallets?\b|\bphish\w*|\bseed phrase|\bmultisig\b[^.]{0,40}compromis",
        ),
        ("rug_pull", r"\brug(?:ged|s)?\b|\brug[ -]?pull|\bexit[ -]scam|\bhoneypot"),
        (
            "oracle_manipulation",
            r"\boracle\b[^.]{0,60}manipulat\w*|manipulat\w*[^.]{0,60}\boracle|\bprice manipulation|\bspot price manipul",
        ),
        (
            "liquidation_attack",
            r"\bself-?liquidat\w*|\bliquidation attack|\bHLP\b[^.]{0,80}(?:liquidat|inherit|short|long)",
        ),
        (
            "market_manipulation",
            r"\bmark[ -]price\b|\bmarket manipulation|\bsqueez\w*|\bspoof\w*|\bmanipulat\w*",
        ),
        ("adl_cascade", r"\bADL\b|\bauto-?deleverag\w*"),
        (
            "oracle_failure",
            r"\bbad print|\bwick\w*|\bprice feed\b|\bmispric\w*|\boracle (?:failure|malfunction|error|bug)",
        ),
        (
            "outage",
            r"\boutage|\bdowntime|\b(?:API|frontend|front end|chain|site) (?:is |are |was |were )?(?:down|offline|halted)|\bhalt(?:ed|s)? (?:block|the chain)",
        ),
        (
            "bridge",
            r"\bbridges? (?:exploit|hack|attack|contract|validator)|\bcross-chain (?:bridge|message)|\bemergency[ -]?lock\w*",
        ),
        (
            "smart_contract_exploit",
            r"\breentran\w*|\bflash ?loan|\baccess control|\binteger|\boverflow|\brounding|\bprecision|\bdelegatecall|\barbitrary call|\bsmart[ -]contract|\blogic (?:bug|flaw|error)|\binfinite mint|\bdonation attack|\bvulnerab\w*|\bapproval|\bexploit\w*",
        ),
    )
)


def category_of(text: str) -> str | None:
    """The first category whose words the text holds, None for none."""
    return next((category for category, pattern in _CATEGORIES if pattern.search(text)), None)
