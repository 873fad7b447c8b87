"""Addresses and transaction hashes, complete ones only."""

import pytest

from kamiyo.extraction.identifiers import addresses_in, transactions_in

ADDRESS = "0x" + "aB" * 20
HASH = "0x" + "Cd" * 32
SOLANA = "5Hx9wQkJt3mZrVb8YpLcFnD2sGaE7uXqRk4TzWv6MoNj"
SIGNATURE = "3vQzTnB5kXyRm2Gd8LwHsJfPcA4eU7bZqWoVtKi9NxMrSgEhYpDaCu6FjT1vQzTnB5kXyRm2Gd8LwHsJfPcA4eU7"
TRON = "TQ5n9wQkJt3mZrVb8YpLcFnD2sGaE7uXqR"
BITCOIN = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (f"attacker {ADDRESS}, again {ADDRESS.lower()}", (ADDRESS.lower(),)),
        (f"https://etherscan.io/address/{ADDRESS}#code", (ADDRESS.lower(),)),
        (HASH, ()),
        (f"{ADDRESS}...", ()),
        (f"x{ADDRESS}", ()),
        ("0xb317...83ae", ()),
        ("0x" + "0" * 40, ()),
        (f"Solana {SOLANA}", (SOLANA,)),
        (SOLANA, ()),
        ("Solana " + "a" * 40, ()),
        (f"on Tron {TRON}", (TRON,)),
        (f"Solana {TRON}", ()),
        (f"Solana {SIGNATURE}", ()),
        (f"to {BITCOIN}", (BITCOIN,)),
    ],
)
def test_complete_addresses_are_read(text: str, addresses: tuple[str, ...]) -> None:
    """Hexadecimal ones in lower case, those of other chains where the text speaks of the chain."""
    assert addresses_in(text) == addresses


@pytest.mark.parametrize(
    ("text", "transactions"),
    [
        (f"{HASH} {HASH.lower()}", (HASH.lower(),)),
        (f"https://bscscan.com/tx/{HASH}", (HASH.lower(),)),
        (f"https://etherscan.io/block/{HASH}", ()),
        ("https://mempool.space/tx/" + "Ab" * 32, ("ab" * 32,)),
        ("https://x.com/a/status/1", ()),
        ("0x" + "0" * 64, ()),
        (ADDRESS, ()),
        (f"https://solscan.io/tx/{SIGNATURE}", (SIGNATURE,)),
        (SIGNATURE, ()),
        ("0x" + "ab" * 33, ()),
    ],
)
def test_complete_hashes_are_read(text: str, transactions: tuple[str, ...]) -> None:
    """A hash is 32 bytes or a signature of Solana; a block's hash and a string of zeros are none."""
    assert transactions_in(text) == transactions
