"""What completes a liquidation: the trades under its hash, whatever else came with them."""

from kamiyo.aggregators._hyperliquid_api.completion import Completion
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered, Outlet
from kamiyo.aggregators._hyperliquid_api.payloads import joined, read_soundly
from kamiyo.core.events import Side
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw
from kamiyo.hyperliquid.confirmation import decode_confirmed
from tests.builders import MAKER, NOW, VICTIM, a_maker_row, a_trade, a_trades_frame, a_wire_fill


async def test_a_frame_nobody_can_read_does_not_hide_the_trades_that_came_with_it() -> None:
    """A fill confirms a hash; its trades are found beside a frame that was cut off."""
    fill = a_wire_fill(a_maker_row())
    named = {"asset": fill.asset, "hash": fill.hash, "time": fill.time}
    trade = a_trade(**named, tid=7, side=Side.SELL, users=("0x" + "7" * 40, VICTIM))
    frames = [a_trades_frame(trade), a_trades_frame(a_trade())[:-20]]
    outlet = Outlet(SourceName("hyperliquid_api"))
    completion = Completion(outlet, Numbered("confirmed/1"))
    trades, _sound = read_soundly(frames)
    completion.take_trades(trades, joined(frames), (fill.time, fill.time), NOW)
    assert completion.take_fills(MAKER, [fill], NOW) == 1
    [completed] = await outlet.take()
    assert isinstance(completed, Raw)
    assert decode_confirmed(completed.payload).trade == trade
