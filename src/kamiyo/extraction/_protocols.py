"""The names of protocols, exchanges and other victims, and the identifier that stands for all of them.

One line is one protocol: its identifier, then the names it goes by. A question mark says that the name is an
ordinary word or a short one, which in running text counts only where something else says that it is a name
(``Level Finance``, ``@Curve``, ``Gate was hacked``). A line without a colon names itself. Case, spaces and
punctuation do not matter; versions and words such as Finance or Protocol need not be listed.
"""

from __future__ import annotations

from typing import Final

# Hyperliquid: the venue and its parts, builders' perp dexes, HyperEVM.
HYPERLIQUID: Final = """
hyperliquid: Hyperliquid, HyperliquidX, HyperCore
hyperliquid_hlp: HLP, HLP vault, Hyperliquidity Provider, Hyperliquid HLP, Hyperliquid's HLP
hyperliquid_bridge: Hyperliquid bridge, Hyperliquid's bridge, Hyperliquid Arbitrum bridge
hyperliquid_api: Hyperliquid API, Hyperliquid's API, Hyperliquid info API, Hyperliquid frontend
hyperliquid_hyperps: hyperps, Hyperliquid hyperps, Hyperliquid pre-market, Hyperliquid premarket
hyperliquid_social: Hyperliquid X account, Hyperliquid's X account, Hyperliquid Twitter account
hl_node: hl-node, hl node
trade_xyz: trade.xyz, TradeXYZ
felix: Felix?, Felix Protocol, felixprotocol
ventuals: Ventuals
hyena: HyENA?, hyena trade
kinetiq: Kinetiq, Markets by Kinetiq, Kinetiq Markets
dreamcash: Dreamcash
hyperlend: HyperLend
hypurrfi: HypurrFi, Hypurr Fi
hyperswap: HyperSwap
kittenswap: KittenSwap
hyperdrive: Hyperdrive, Hyperdrive HL, hyperdrivedefi
hypervault: HyperVault, HyperVault Finance
hyperwave: Hyperwave, hwHLP
hyperbeat: Hyperbeat
hyperunit: HyperUnit, Unit?, Hyperunit bridge
looping_collective: Looping Collective, LoopedHYPE, Looped HYPE
project_x: Project X?, prjx
valantis: Valantis
liminal: Liminal?, liminalmoney
purrlend: Purrlend
thunderhead: Thunderhead, stHYPE
upshift: Upshift?, upshift finance
harmonix: Harmonix
gliquid: Gliquid
nunchi: Nunchi
raga_finance: Raga Finance, Raga?
liquidlaunch: LiquidLaunch
hyperdash: Hyperdash
hyperyield: HyperYield
hyperpie: HyperPie
keiko_finance: Keiko Finance, Keiko?
d2_finance: D2 Finance
insilico: Insilico Terminal
pvp_trade: pvp.trade
based: Based?, based app, basedonex
"""

# Other venues of perpetuals, and the well-known rest.
KNOWN: Final = """
dydx: dYdX
gmx: GMX
lighter: Lighter?, Lighter DEX, lighter.xyz, zkLighter
aster: Aster?, Aster DEX
drift: Drift?, Drift Protocol
ostium: Ostium
cascade: Cascade?, Cascade perps
afx: AFX?, AFX bridge
jupiter: Jupiter?, Jupiter Exchange, Jupiter Perps
edgex: edgeX
paradex: Paradex
extended: Extended?, Extended exchange
vertex: Vertex?, Vertex Protocol
synthetix: Synthetix
perpetual_protocol: Perpetual Protocol
gains_network: Gains Network, gTrade
kiloex: KiloEx
mango_markets: Mango Markets, Mango?
aave: Aave
level_finance: Level?, Level Finance, Level Perps, Level DEX
compound: Compound?, Compound Finance, cToken
uniswap: Uniswap
sushiswap: SushiSwap, Sushi?, Sushi Miso, SushiSwap Miso
pancakeswap: PancakeSwap
curve: Curve?, Curve Finance, Curve DEX, crvUSD, Curve LlamaLend, LlamaLend
balancer: Balancer?, Balancer Labs, Balancer Vault
makerdao: MakerDAO, Maker DAO, Sky Protocol
lido: Lido
morpho: Morpho, Morpho Blue
euler_finance: Euler, Euler Finance, Euler Labs
yearn: Yearn, Yearn Finance, yearn.finance, Yearn yDAI, Yearn Ether, yETH
cream_finance: Cream?, Cream Finance, CREAM Lending
venus: Venus?, Venus Protocol, Venus Core Pool, Venus ZKSync, Venus THE
radiant_capital: Radiant?, Radiant Capital, RDNT Capital
abracadabra: Abracadabra, Abracadabra Spell, Abracadabra Money, MIM Spell
inverse_finance: Inverse?, Inverse Finance, Inverse Finance Frontier
rari_capital: Rari, Rari Capital, Fuse pools
fei_protocol: Fei?, Fei Protocol
beanstalk: Beanstalk?, Beanstalk Farms
badger_dao: Badger?, BadgerDAO, Badger DAO
ronin_bridge: Ronin?, Ronin Bridge, Ronin Network
wormhole: Wormhole, Portal bridge
nomad: Nomad?, Nomad Bridge
poly_network: Poly Network, PolyNetwork
harmony_bridge: Harmony Bridge, Horizon Bridge, Harmony Horizon Bridge, Harmony's Horizon Bridge
multichain: Multichain, Anyswap, Multichain (Anyswap), Multichain bridge
thorchain: THORChain, Thorchain DEX
li_fi: LI.FI, Jumper Exchange
socket: Socket?, Bungee, Socket Gateway
stargate: Stargate Finance
layerzero: LayerZero
across: Across Protocol
debridge: deBridge
allbridge: Allbridge, Allbridge Core, Allbridge CCTP
orbit_bridge: Orbit Bridge, Orbit Chain
heco_bridge: Heco Bridge
qubit: Qubit?, Qubit Finance, QBridge
meter: Meter?, Meter.io, Meter Passport
tornado_cash: Tornado Cash, tornado.cash
railgun: Railgun
pump_fun: pump.fun, Pumpfun
raydium: Raydium, Raydium AMM
cetus: Cetus, Cetus CLMM, Cetus Protocol
kyberswap: KyberSwap, Kyber Network, KyberSwap Classic, KyberSwap Elastic, Kyber
oneinch: 1inch, 1inch FusionV1 Settlement, 1inch Fusion
zero_ex: 0x Protocol, ZeroEx, ZeroExSettler
cow_swap: CoW Swap, CoW Protocol, CoW?
odos: Odos
paraswap: ParaSwap, Velora
transit_swap: Transit Swap, Transit Finance
dexible: Dexible
maestro: Maestro?, Maestro Bot, Maestro Router, MaestroRouter2
unibot: Unibot, UniBotRouter
banana_gun: Banana Gun
penpie: Penpie, Penpiexyz_io
pendle: Pendle
convex: Convex Finance
frax: Frax, Frax Finance
liquity: Liquity
prisma: Prisma Finance, PrismaLST, PrismaFi, Prisma?
sonne_finance: Sonne, Sonne Finance
hundred_finance: Hundred Finance
lodestar: Lodestar Finance, Lodestar
sentiment: Sentiment?, Sentiment Protocol
exactly: Exactly?, Exactly Protocol
platypus: Platypus?, Platypus Finance, Platypus DeFi
trader_joe: Trader Joe, TraderJoe
velodrome: Velodrome
aerodrome: Aerodrome
camelot: Camelot DEX
bonq: BonqDAO, Bonq
temple_dao: TempleDAO
olympus_dao: OlympusDAO
indexed_finance: Indexed Finance
index_coop: Index Coop, ExchangeIssuance (Index Coop)
set_protocol: Set Protocol
dforce: dForce, Lendf.me, dForce Network
bzx: bZx, Ooki, bZxProtocol
harvest_finance: Harvest Finance
pickle_finance: Pickle?, Pickle Finance
alpha_finance: Alpha Finance, Alpha Homora
value_defi: Value DeFi, ValueDefi
pancake_bunny: PancakeBunny, Bunny?, Bunny Finance
belt_finance: Belt Finance
spartan_protocol: Spartan?, Spartan Protocol
uranium_finance: Uranium?, Uranium Finance
elephant_money: Elephant Money
deus_finance: DEUS Finance, DEUS DAO, DEI stablecoin, Deus?
saddle_finance: Saddle Finance
wintermute: Wintermute
kronos_research: Kronos Research
cashio: Cashio
crema_finance: Crema Finance
nirvana: Nirvana Finance, Nirvana V1
solend: Solend, Save?, Save Finance
loopscale: Loopscale
slope_wallet: Slope Wallet
trust_wallet: Trust Wallet
atomic_wallet: Atomic Wallet
parity: Parity?, Parity Multisig, Parity wallet
the_dao: The DAO?, The DAO hack
terra: Terra Classic, Terra 2.0
mirror_protocol: Mirror?, Mirror Protocol
anchor_protocol: Anchor Protocol
astroport: Astroport
levana: Levana, Levana Perps
mars_protocol: Mars Protocol, Mars Perps
osmosis: Osmosis?, Osmosis DEX
acala: Acala, Acala Network
bittensor: Bittensor
flow_network: Flow?, Flow blockchain
sonic: Sonic Labs
berachain_bex: BEX, Bera BEX
truebit: Truebit
balancer_fork_beets: Beets, Beethoven X
stakewise: StakeWise
stream_finance: Stream Finance
resolv: Resolv?, Resolv Labs
ethena: Ethena
usual: Usual?, Usual Money
resupply: Resupply?, ResupplyFi
cork: Cork?, Cork Protocol
bunni: Bunni
gnosis_safe: Gnosis Safe, Safe Wallet, Safe{Wallet}
kinto: Kinto?, Kinto Bridge
zklend: zkLend
era_lend: EraLend
zksync: zkSync, zkSync airdrop
infini: Infini?, Infini Earn
woofi: WOOFi, WOO X, WOOFi Swap
onyx: Onyx?, Onyx Protocol, OnyxDAO
shibarium: Shibarium, Shibarium bridge
axie_infinity: Axie Infinity
munchables: Munchables
super_sushi_samurai: Super Sushi Samurai, SSS?
prisma_lst: PrismaLST V1
gamma: Gamma?, Gamma Strategies
hedgey: Hedgey, Hedgey Finance
seneca: Seneca?, Seneca Protocol
unizen: Unizen, UnizenIO
dolomite: Dolomite
delta_prime: DeltaPrime, Delta Prime
polter_finance: Polter Finance, Polter
thala: Thala, ThalaSwap, Thala Labs
clipper: Clipper?, Clipper DEX
four_meme: four.meme, Four.Meme
zoth: Zoth, Zoth ZeUSD
loopring: Loopring
uwu_lend: UwU Lend
velocore: Velocore
holograph: Holograph?, Holograph Protocol
minterest: Minterest
rho_markets: Rho Markets
dough_finance: Dough Finance, DoughFina
nexera: Nexera
convergence: Convergence?, Convergence Finance
ionic: Ionic?, Ionic Protocol, Ionic Money
moby: Moby?, Moby Trade
orange_finance: Orange Finance
peapods: Peapods, Peapods Finance
impermax: Impermax
arcadia: Arcadia Finance, ArcadiaFi, Arcadia V1, Arcadia V2, Arcadia?
superrare: SuperRare
credix: CrediX
betterbank: BetterBank
abyss: Abyss Finance
moonwell: Moonwell, Moonwell Lending
makina: Makina
aztec: Aztec?, Aztec Connect, Aztec Network, Aztec V1, Aztec Escape Hatch
huma_finance: Huma Finance
ekubo: Ekubo
verus_bridge: Verus Bridge, VerusBridge
renegade: Renegade?, renegade.fi
squid: Squid?, Squid Router, SquidRouterModule
summer_fi: Summer.fi, SummerFi
thetanuts: Thetanuts, Thetanuts Finance
map_protocol: MAP Protocol, Butter Network
"""

# Centralized exchanges, custodians and payment services.
EXCHANGES: Final = """
binance: Binance
binance_bridge: Binance Bridge, BSC Token Hub, BNB Bridge
bybit: Bybit
okx: OKX, OKEx
coinbase: Coinbase
kraken: Kraken
kucoin: KuCoin
ftx: FTX
deribit: Deribit
upbit: Upbit
bithumb: Bithumb
bitget: Bitget
gate_io: Gate.io, Gate?, Gate Exchange
htx: HTX, Huobi
mexc: MEXC
crypto_com: Crypto.com
gemini: Gemini exchange
bitfinex: Bitfinex
poloniex: Poloniex
coincheck: Coincheck
dmm_bitcoin: DMM Bitcoin
wazirx: WazirX, WazirX India
coindcx: CoinDCX
bigone: BigONE
phemex: Phemex
bingx: BingX
btcturk: BtcTurk
nobitex: Nobitex
indodax: Indodax
swissborg: SwissBorg
coinex: CoinEx
bitmart: BitMart
ascendex: AscenDEX
lcx: LCX
gdac: GDAC
bitrue: Bitrue
remitano: Remitano
coinspot: CoinSpot
stake_com: Stake.com
alphapo: AlphaPo
coinspaid: CoinsPaid
fixedfloat: FixedFloat
rain: Rain?, Rain Exchange
duelbits: DuelBits
xt_exchange: XT Exchange, XT.com
sbi_crypto: SBI Crypto
m2_exchange: M2 Exchange
coinstats: CoinStats
mixin_network: Mixin Network, Mixin?
lubian: LuBian
dexx: DEXX
"""
