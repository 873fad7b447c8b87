"""The names in the public lists of exploits that need no other name than their own."""

from __future__ import annotations

from typing import Final

LISTED: Final = """
AutoShark; Siren Protocol; MangoFarmSol; MyAlgo; DAO Maker; DAO Maker Vesting; UPCX; Kannagi; xToken
Grand Base; Unleash Protocol; DIMO?; Locus Finance; CoinDash; Alchemix; Gala?; Gala Games; Curio DAO
Curio?; Tender Finance; Rivus DAO; Sirio Finance; Conic Finance; BurgerSwap; Furucombo; JayPegs Automart
Hedera; Vesper Finance; Truflation; SudoRare; Steadefi; 0G Labs; Bond Protocol; Moola Market; FutureSwap
Cover Protocol; Port3 Network; NowSwap; XBridge; Tapioca DAO; Skyward Finance; Popsicle Finance; Odin.Fun
OcelotDex; Tectonic; ApeRocket; MonoX; OlaXBT; EasyFi; Midas Capital; ParaSpace; Solareum
Kame Aggregator; Cardex; Superfluid; Earning.Farm; Fortress Loans; Corepound; Growth DeFi; Blizz Finance
bEarnFi; GMBL.COMPUTER; Grim Finance; Treasure DAO; Themis Protocol; Harbor Protocol; Sturdy Finance
Wise Lending; ForceBridge; ElasticSwap; Magpie Protocol; Hope Finance; Florence Finance; Zabu Finance
Magnate Finance; IPOR Fusion; StableMagnet; Agave Finance; Atlantis Loans; PRXVT; Punk Protocol
Defrost Finance; Ambient Finance; Squid Games?; Shido; Dexodus Finance; Panoptic; zkFinance
Typus Finance; Typus Perp; Roe Finance; Omm?; uniBTC; Bedrock DeFi; Clober; CloberDEX; Vestra DAO
SharedStake; PeopleDAO; pNetwork; Evoq Finance; Ribbon Finance; ETHTrustFund; Berally; SafeMoon
Rodeo Finance; Local Traders; Spectral Labs; Ankr; Kokomo Finance; Trinity Wallet; LendHub; Paid Network
Ola Finance; Hector Finance; Hector Lending; numa.money; Sharwa Finance; Meerkat Finance; GeniusAI
Bondly; Dragoma; UXLINK; Nemo Protocol; Nemo Yield Trading; Rubic; Bitcoin Mission; SurgeBNB; Unilend
Paraluni; Cozy Finance; GriffinAI; Turtle Dex; Monoswap; Texture Finance; Arbix Finance; Amun?
GANA Payment; Warp Finance; Raft Finance; Kalax; MSCST; Mobius Token; DODO; Team Finance; Eminence?
Eminence Finance; Pike Finance; MoonHacker; MM Finance; Revest Finance; Tropykus; Arena SocialFi
Blueberry Protocol; AzukiDAO; Tenderize; Pando Rings; Fantasm Finance; LeetSwap; Astera; Hegic
Eleven Finance; CheeseBank; Vulcan Forged; ALEX?; ALEX Lab; 402bridge; 8ightDAO; 0VIX; SUNRAY Finance
Astrid Finance; Akropolis; Origin Protocol; DFX Finance; Merlin DEX; WXETA; Palmswap; Ratio Finance
GemPad; Compounder Finance; AnubisDAO; Sovryn; Zircon Gamma; Keep3r Network; Concentric Finance; ArbiSwap
Yield Protocol; Audius; LaunchZone; Ara Finance; LND?; RiskOnBlast; Jimbos Protocol; Bent Finance
RocketSwap; Levyathan Finance; Cypher Protocol; ChainSwap; DogWifTools; BTC24H; Vee Finance; Uwerx
YOLO Games; Snowdog; Swaprum; Hacken Token; Gym Network; Dego Finance; Blur Finance; Garden Finance
Seedify; SIR.trading; Leverage SIR; Silo Finance; Zunami; Orion Protocol; Level Finance; BNS?; Bald?
Portal?; Lava?; Beauty Chain; SmartMesh; SpankChain; Bancor; Opyn; Sushi Badger Digg; JulSwap
PancakeHunny; 88mph; xWin Finance; SafeDollar; WaultFinance; XSURGE; Nimbus Platform; Ploutoz
Nerve Bridge; Visor Finance; TecraSpace; Sandbox LAND; Build Finance; Bacon Protocol; Umbrella Network
OneRing Finance; Auctus; Redacted Cartel; Creat Future; Rikkei Finance; Zeed Finance; Akutar NFT
Wiener DOGE; HackDao; NOVO Protocol; Quixotic; XCarnival; FlippazOne NFT; Omni NFT; SpaceGodzilla
Reaper Farm; Qixi; EtnProduct; EGD Finance; XSTABLE Protocol; LuckyTiger NFT; ShadowFi; ZoomproFinance
NewFreeDAO; RADT-DAO; BXH; BabySwap; Thunder Brawl; Xave Finance; Rabby Wallet; Rabby Wallet SwapRouter
EFLeverVault; MooCAKECTX; Kashi?; BrahTOPG; SheepFarm; UEarnPool; Polynomial Protocol; Annex Finance
Overnight Finance; NovaToken; TIFIToken; Nmbplatform; UFDao; OmniEstate; Thoreum Finance; Spherax; Sperax
Starlink?; Revert Finance; EFVault; swapX; Poolz Finance; Thena; Paribus; MetaPoint; Swapos; Axioma
NeverFall; BabyDogeCoin; ERC20TokenBank; Cellframe; Pawnfi; Biswap; BambooIA; BaoCommunity; Bao Finance
CIVNFT; Libertify; APEDAO; MintoFinance; NeutraFinance; FloorDAO; JumpFarm; HeavensGate; uniclyNFT
CEXISWAP; KubSplit; DEXRouter; FireBirdPair; DePayRouter; StarsArena; Stars Arena; BelugaDex; Hopelend
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
Freedom?; Mosca?; Orion Pools; Merlin?; numa?; Fegex; Tropykus RSK; RocketSwap Base; SIR?; Warp Protocol
Paraluni Masterchef; MM Finance Cronos; US Permissionless Dollar
"""
