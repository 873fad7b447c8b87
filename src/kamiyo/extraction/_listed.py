"""The names in the public lists of exploits that no other table holds."""

from __future__ import annotations

from typing import Final

# These need no other name than their own.
LISTED: Final = """
AutoShark; Siren Protocol; MangoFarmSol; MyAlgo; DAO Maker; UPCX; Kannagi; xToken; Grand Base
Unleash Protocol; DIMO?; Locus Finance; CoinDash; Alchemix; Gala?; Gala Games; Tender Finance; Rivus DAO
Sirio Finance; Conic Finance; BurgerSwap; Furucombo; JayPegs Automart; Hedera; Vesper Finance; Truflation
SudoRare; Steadefi; 0G Labs; Bond Protocol; Moola Market; FutureSwap; Cover Protocol; Port3 Network
NowSwap; XBridge; Tapioca DAO; Skyward Finance; Popsicle Finance; Odin.Fun; OcelotDex; Tectonic
ApeRocket; MonoX; OlaXBT; EasyFi; Midas Capital; ParaSpace; Solareum; Kame Aggregator; Cardex; Superfluid
Earning.Farm; Fortress Loans; Corepound; Growth DeFi; Blizz Finance; bEarnFi; GMBL.COMPUTER; Grim Finance
Themis Protocol; Harbor Protocol; Sturdy Finance; Wise Lending; ForceBridge; ElasticSwap; Magpie Protocol
Hope Finance; Florence Finance; Zabu Finance; Magnate Finance; IPOR Fusion; StableMagnet; Agave Finance
Atlantis Loans; PRXVT; Punk Protocol; Defrost Finance; Ambient Finance; Squid Games?; Shido
Dexodus Finance; Panoptic; zkFinance; Typus Finance; Typus Perp; Roe Finance; Omm?; Vestra DAO
SharedStake; PeopleDAO; pNetwork; Evoq Finance; Ribbon Finance; ETHTrustFund; Berally; SafeMoon
Rodeo Finance; Spectral Labs; Ankr; Kokomo Finance; Trinity Wallet; LendHub; Paid Network; Ola Finance
Hector Finance; Hector Lending; numa.money; Sharwa Finance; Meerkat Finance; GeniusAI; Bondly; Dragoma
UXLINK; Nemo Protocol; Nemo Yield Trading; Rubic; Bitcoin Mission; Unilend; Paraluni; Cozy Finance
GriffinAI; Turtle Dex; Monoswap; Texture Finance; Arbix Finance; Amun?; GANA Payment; Warp Finance; Kalax
MSCST; DODO; Team Finance; Eminence?; Eminence Finance; Pike Finance; MoonHacker; MM Finance
Revest Finance; Tropykus; Arena SocialFi; Blueberry Protocol; AzukiDAO; Tenderize; Pando Rings
Fantasm Finance; LeetSwap; Astera; Eleven Finance; CheeseBank; Vulcan Forged; ALEX?; ALEX Lab; 402bridge
8ightDAO; 0VIX; SUNRAY Finance; Astrid Finance; Akropolis; Origin Protocol; DFX Finance; Merlin DEX
WXETA; Palmswap; Ratio Finance; GemPad; Compounder Finance; AnubisDAO; Sovryn; Zircon Gamma
Keep3r Network; Concentric Finance; ArbiSwap; Yield Protocol; Audius; LaunchZone; Ara Finance; LND?
RiskOnBlast; Bent Finance; RocketSwap; Levyathan Finance; Cypher Protocol; ChainSwap; DogWifTools; BTC24H
Vee Finance; Uwerx; YOLO Games; Snowdog; Swaprum; Hacken Token; Gym Network; Dego Finance; Blur Finance
Garden Finance; Seedify; SIR.trading; Leverage SIR; Silo Finance; Zunami; Level Finance; BNS?; Bald?
Portal?; Lava?; Beauty Chain; SmartMesh; SpankChain; Bancor; Opyn; Sushi Badger Digg; JulSwap
PancakeHunny; 88mph; xWin Finance; SafeDollar; WaultFinance; Nimbus Platform; Ploutoz; Nerve Bridge
Visor Finance; TecraSpace; Sandbox LAND; Build Finance; Bacon Protocol; Umbrella Network; OneRing Finance
Auctus; Redacted Cartel; Creat Future; Rikkei Finance; Zeed Finance; Akutar NFT; Wiener DOGE; HackDao
NOVO Protocol; Quixotic; XCarnival; FlippazOne NFT; Omni NFT; SpaceGodzilla; Reaper Farm; Qixi
EtnProduct; EGD Finance; XSTABLE Protocol; LuckyTiger NFT; ShadowFi; ZoomproFinance; NewFreeDAO; RADT-DAO
BXH; BabySwap; Thunder Brawl; Xave Finance; Rabby Wallet; Rabby Wallet SwapRouter; EFLeverVault
MooCAKECTX; Kashi?; BrahTOPG; SheepFarm; UEarnPool; Polynomial Protocol; Annex Finance; Overnight Finance
NovaToken; TIFIToken; Nmbplatform; UFDao; OmniEstate; Thoreum Finance; Spherax; Sperax; Starlink?
Revert Finance; EFVault; swapX; Poolz Finance; Thena; Paribus; MetaPoint; Swapos; Axioma; NeverFall
BabyDogeCoin; ERC20TokenBank; Cellframe; Pawnfi; Biswap; BambooIA; BaoCommunity; Bao Finance; CIVNFT
Libertify; APEDAO; MintoFinance; NeutraFinance; FloorDAO; JumpFarm; HeavensGate; uniclyNFT; CEXISWAP
KubSplit; DEXRouter; FireBirdPair; DePayRouter; StarsArena; Stars Arena; BelugaDex; Hopelend
OpenLeverage; SwampFinance; TrustPad; TheStandard.io; MahaLend; LinkDAO; MetaLend; FiberRouter
CAROLProtocol; BEARNDAO; HNet; GoodDollar; GoodCompound; NFTTrader; Floor Protocol; PineProtocol; Telcoin
Channels Finance; BmiZapper; CitadelFinance; BarleyFinance; AffineDeFi; BurnsDefi; DualPools
ParticleTrade; RuggedArt; SwarmMarkets; Binemon; ZongZi; BigBangSwap; SumerMoney; ChaingeFinance; YIEDL
Yield Guild; PredyFinance; Tradeonorion; MetaDragon; SteamSwap; JokInTheBox; Dyson.money; INcufi; APEMAGA
DeFiPlaza; Spectra Finance; iVest; YodlRouter; Zenterest; Pythia?; OTSeaStaking; Shezmu; Bankroll Network
PestoToken; FireToken; HYDT; ChiSale; Matez; Alkimiya; Crosswise; Unwarp; DogeAlliance; BitCrown
MetaPool; Gangsterfinance; GradientMakerPool; SWAPPStaking; EmptySetReserve; ArbitrumBaseSwapper; Bebop
BeefyZapRouter; Beefy; Grizzifi; Equilibria; EverValueCoin; Hexotic; SynapLogic; AlkemiEarn; StakeOnMe
XocolatlLiquidator; XLootStaking; Juicebox; JuiceboxREVLoans; GiddyVault; INKFinance; TrustedVolumes
AdsharesBridge; TesseraSwap; ElevateFi; MureDistribution; FractalProtocol; WUSD.fi; Joe Agent; DxSale
CrocSwapDex; NovaBox; RoyalRoyalties; CookFinance; edel-xstock; Sodium?; Lumi Finance; CrowdRingCircle
Lien Finance; StrongBlock; UnistreetLaunchpad; PantherBase; Panther Protocol; LpdFi; FlashstakeV2
Saturn Protocol; VTSwapHook; SingularityDynaVault; CompoundProvider; Nalakuvara; AventaRewardClaim
StepHero; DRLVaultV3; Atomic?; Roll?; Juice?; Pandora?; Vista?; Bazaar?; Carrot?; Phoenix?; Utopia?
Freedom?; Mosca?; Merlin?; numa?; Fegex; SIR?; US Permissionless Dollar
"""

# The same, with the names they go by; a line reads as in the other tables.
RENAMED: Final = """
surgebnb: SurgeBNB, XSURGE
treasure_dao: Treasure DAO, Treasure?
orion_protocol: Orion Protocol, Orion Pools, Orion?, Tradeonorion
local_traders: Local Traders, Local Trade LCT
jimbos_protocol: Jimbos Protocol, Jimbo?
raft_finance: Raft Finance, Raft fi, Raft?
curio: Curio DAO, Curio?
bedrock: Bedrock DeFi, uniBTC
clober: Clober, Clober DEX, Clober Liquidity Vault
hegic: Hegic, Hegic Options, Hegic(old contract)
mobius: Mobius Token, MBUToken
dao_maker: DAO Maker, DAO Maker Vesting
paraluni: Paraluni, Paraluni Masterchef
tropykus: Tropykus, Tropykus RSK
rocketswap: RocketSwap, RocketSwap Base
mm_finance: MM Finance, MM Finance Cronos
"""
