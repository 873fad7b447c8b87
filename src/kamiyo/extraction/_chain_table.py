"""The names of chains, the identifier that stands for each, and the explorers that show it.

A question mark says that the name is an ordinary word, which in running text counts only where it is used
as a chain's name: ``on Base``, ``Base chain``.
"""

from __future__ import annotations

from typing import Final

CHAINS: Final = """
ethereum: Ethereum, ETH mainnet, Ethereum mainnet, ERC20?, eth?, Mainnet?
bnb_chain: BNB Chain, BSC, BNB Smart Chain, Binance Smart Chain, BNBChain, BEP20?, bnb?, Binance?
arbitrum: Arbitrum, Arbitrum One, ARB?
polygon: Polygon, Polygon PoS, Matic Network, Matic?
polygon_zkevm: Polygon zkEVM
solana: Solana, Solana mainnet, SOL?
base: Base?, Base mainnet, Base L2
optimism: Optimism?, OP Mainnet, Optimism mainnet, OP?
avalanche: Avalanche?, Avalanche C-Chain, AVAX C-Chain, AVAX?
fantom: Fantom, Fantom Opera, FTM?
hyperliquid: Hyperliquid L1, HyperCore, Hyperliquid?
hyperevm: HyperEVM, Hyper EVM, Hyperliquid EVM
bitcoin: Bitcoin?, BTC?, Bitcoin mainnet
bitcoin_cash: Bitcoin Cash, BitcoinCash
zksync: zkSync, zkSync Era, ZKsync Era, ZKsync
blast: Blast?, Blast L2, Blast mainnet
tron: Tron, TRC20?, TRX?
cronos: Cronos
sonic: Sonic?, Sonic chain, Sonic mainnet
sui: Sui, Sui Network
aptos: Aptos
xrp_ledger: XRP Ledger, XRPL, XRP?, Ripple?
linea: Linea
hedera: Hedera, Hedera Hashgraph
mantle: Mantle?, Mantle Network
terra: Terra?, Terra Classic, Terra2, Terra 2.0, LUNA?
gnosis: Gnosis Chain, xDai, Gnosis?
unichain: Unichain
moonriver: Moonriver
moonbeam: Moonbeam
mixin: Mixin?, Mixin Network
stacks: Stacks?, Stacks chain
algorand: Algorand
pulsechain: PulseChain
story: Story?, Story Protocol chain
zero_g: 0G, 0G chain
celo: Celo
kadena: Kadena
dagger: Dagger?
stellar: Stellar?, Stellar network
near: NEAR Protocol, Near?, Aurora?
icp: Internet Computer, ICP
litecoin: Litecoin
dogecoin: Dogecoin, Doge?
sei: Sei, Sei Network
abstract: Abstract?, Abstract chain
core: CORE?, CoreDAO, Core chain
metis: Metis, Metis Andromeda
comdex: Comdex
nervos: Nervos
mode: Mode?, Mode Network, Mode mainnet
icon: Icon?, ICON Network
taiko: Taiko
neutron: Neutron?
berachain: Berachain
poly_network: PolyNetwork?
nem: NEM?
polkadot: Polkadot
kusama: Kusama
shibarium: Shibarium
iota: IOTA
heco: Heco, HECO chain, Huobi ECO Chain
fuse: Fuse?, Fuse Network
starknet: Starknet, StarkNet mainnet
starkex: StarkEx
zklighter: zkLighter
scroll: Scroll?, Scroll mainnet
acala: Acala?
loopring: Loopring?
rootstock: Rootstock, RSK
harmony: Harmony?, Harmony ONE
osmosis: Osmosis?
cosmos: Cosmos?, Cosmos Hub
flow: Flow?, Flow blockchain
ronin: Ronin?, Ronin chain
cardano: Cardano
ton: TON?, The Open Network, Toncoin
monad: Monad
plasma: Plasma?, Plasma chain
ink: Ink?, Ink chain
world_chain: World Chain, Worldchain
zora: Zora?, Zora Network
manta: Manta Pacific, Manta?
merlin_chain: Merlin Chain
bob: BOB chain
bitlayer: Bitlayer
kava: Kava
klaytn: Klaytn, Kaia
oasis: Oasis?, Oasis Emerald
oec: OKC, OKExChain, OKX Chain, X Layer
conflux: Conflux
filecoin: Filecoin
thorchain: THORChain?
injective: Injective
evmos: Evmos
canto: Canto?
astar: Astar
eos: EOS
wax: WAX?
tezos: Tezos
multiversx: MultiversX, Elrond
katana: Katana?
soneium: Soneium
apechain: ApeChain
afx: AFX?
off_chain: off-chain?
"""

EXPLORERS: Final = {
    "etherscan.io": "ethereum",
    "etherscan.com": "ethereum",
    "bscscan.com": "bnb_chain",
    "arbiscan.io": "arbitrum",
    "polygonscan.com": "polygon",
    "basescan.org": "base",
    "optimistic.etherscan.io": "optimism",
    "snowtrace.io": "avalanche",
    "snowscan.xyz": "avalanche",
    "ftmscan.com": "fantom",
    "solscan.io": "solana",
    "solana.fm": "solana",
    "explorer.solana.com": "solana",
    "cronoscan.com": "cronos",
    "moonriver.moonscan.io": "moonriver",
    "moonbeam.moonscan.io": "moonbeam",
    "gnosisscan.io": "gnosis",
    "lineascan.build": "linea",
    "blastscan.io": "blast",
    "era.zksync.network": "zksync",
    "explorer.zksync.io": "zksync",
    "scrollscan.com": "scroll",
    "mantlescan.xyz": "mantle",
    "sonicscan.org": "sonic",
    "uniscan.xyz": "unichain",
    "berascan.com": "berachain",
    "suiscan.xyz": "sui",
    "suivision.xyz": "sui",
    "tronscan.org": "tron",
    "mempool.space": "bitcoin",
    "hypurrscan.io": "hyperliquid",
    "app.hyperliquid.xyz": "hyperliquid",
    "hyperevmscan.io": "hyperevm",
    "purrsec.com": "hyperevm",
    "celoscan.io": "celo",
    "aptoscan.com": "aptos",
    "explorer.sei.io": "sei",
    "seitrace.com": "sei",
    "taikoscan.io": "taiko",
    "abscan.org": "abstract",
    "explorer.fuse.io": "fuse",
    "shibariumscan.io": "shibarium",
    "pulsescan.finvesta.io": "pulsechain",
}
# Segments that one explorer of many chains puts into its paths: app.blocksec.com/explorer/tx/bsc/0x...
PATHS: Final = {
    "eth": "ethereum",
    "ethereum": "ethereum",
    "bsc": "bnb_chain",
    "arbitrum": "arbitrum",
    "polygon": "polygon",
    "base": "base",
    "optimism": "optimism",
    "avalanche": "avalanche",
    "avax": "avalanche",
    "fantom": "fantom",
    "solana": "solana",
    "linea": "linea",
    "blast": "blast",
    "mantle": "mantle",
    "sonic": "sonic",
    "scroll": "scroll",
    "gnosis": "gnosis",
    "sei": "sei",
    "unichain": "unichain",
    "berachain": "berachain",
    "hyperevm": "hyperevm",
}
