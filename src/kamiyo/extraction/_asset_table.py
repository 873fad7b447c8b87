"""Symbols that are known to be assets, and words in capitals that are none."""

from __future__ import annotations

from typing import Final

# In lower case, too, these are nothing but assets: 18 eth, 3 wbtc.
LOWER: Final = frozenset(
    "btc eth weth wbtc bnb wbnb usdc usdt dai busd matic wmatic avax wavax ftm wftm hype whype steth wsteth reth cbeth "
    "cbbtc sol wsol doge shib jelly popcat fartcoin usdt0 usde susde frax tusd usdd lusd gusd fdusd pyusd eurs xrp ltc "
    "trx bch aave crv cvx comp dydx gmx pendle xpl wlfi hbar algo apt arb steem uni yfi mkr snx ust luna atom dot "
    "kbtc ubtc ueth usol khype feth wtao tao jellyjelly".split()
)
UPPER: Final = frozenset(
    "2Z AAVE ACE ADA AI16Z AIXBT ALGO ALT ANIME APE APEX APT AR ARB ASTER ATOM AVAX AVNT BABY BANANA BCH BERA BIGTIME "
    "BIO BLAST BNB BOME BRETT BTC CAKE CELO CFX CHILLGUY COMP CRV DOGE DOOD DOT DYDX DYM EIGEN ENA ENS ETC ETH ETHFI "
    "FARTCOIN FET FIL FTT FXS GALA GAS GMT GMX GOAT GRASS GRIFFAIN HBAR HYPE HYPER ILV IMX INIT INJ IOTA IP JELLY JTO "
    "JUP KAITO KAS LAYER LDO LINEA LINK LISTA LTC MANTA MATIC MAV MAVIA ME MELANIA MEME MERL MET MINA MKR MNT MOODENG "
    "MORPHO MOVE NEAR NEO NIL NOT NXPC OGN OM OMNI ONDO OP ORDI PAXG PENDLE PENGU PEOPLE PIXEL PNUT POL POLYX POPCAT "
    "PROMPT PROVE PUMP PURR PYTH RDNT RENDER RESOLV REZ RNDR RSR RUNE SAGA SAND SCR SEI SHIA SKY SNX SOL SOPH SPX STBL "
    "STG STRK STX SUI SUPER SUSHI SYRUP TAO TIA TNSR TON TRB TRUMP TRX TST TURBO UMA UNI USUAL USTC VINE VIRTUAL VVV "
    "WCT WIF WLD WLFI XAI XLM XPL XRP YGG ZEC ZEN ZEREBRO ZETA ZK ZORA ZRO kBONK kFLOKI kLUNC kNEIRO kPEPE kSHIB YFI "
    "MNGO DRIFT JELLYJELLY USDC USDT DAI BUSD WETH WBTC WBNB stETH wstETH rETH cbETH cbBTC USDT0 USDe sUSDe USDH feUSD "
    "kHYPE stHYPE wstHYPE WHYPE UBTC UETH USOL UPUMP thBILL hwHLP mSYRUPUSDP XAUT0 UST LUNA FTM FRAX TUSD LUSD MIM".split()
)
# Capitals after a number that are not an asset: 24 H, 3 NFTs, 12 UTC.
NO_ASSETS: Final = frozenset(
    "US USA USD EUR GBP UK EU UN AM PM UTC GMT EST EDT PST PDT CET CEST ET PT KST JST SGT HKT H HR HRS D DAYS MIN MINS "
    "SEC NFT NFTS TVL APY APR ERC BEP TX TXS TXN TXNS CEX DEX DAO DEFI HF OI PNL ATL BPS ID AI API RPC EOA EVM L1 "
    "L2 LP LPS MEV POC Q1 Q2 Q3 Q4 FY K M B BN MM MN X P2P VC VCS CEO CTO LTV ROI GAS KYC AML SEC FBI DOJ OTC ETF ETFS "
    "PERP PERPS CEXS DEXS EOAS MILLION BILLION THOUSAND TOKENS COINS WALLETS USERS ADDRESSES AND OR OF IN ON TO AT BY "
    "THE A AN WAS WERE FROM LOST STOLEN DRAINED WORTH HACK HACKED EXPLOIT ADL HIP HIP3 FUNDS TX. HOURS AGO YEARS NEW "
    "ALERT BREAKING UPDATE TOTAL LOSS".split()
)
# Tokens of a US dollar each, held to their price by what backs them.
DOLLARS: Final = frozenset(
    {"USDC", "USDT", "DAI", "BUSD", "USDC.E", "BSC-USD", "BUSDT", "USDT.E", "TUSD", "USDT0", "FDUSD", "PYUSD"}
)
SPELLED: Final = {
    "bitcoin": "BTC",
    "bitcoins": "BTC",
    "ether": "ETH",
    "ethers": "ETH",
    "ethereum": "ETH",
    "solana": "SOL",
    "dogecoin": "DOGE",
    "tether": "USDT",
}
