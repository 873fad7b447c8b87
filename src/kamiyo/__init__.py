"""Open, self-hosted risk and exploit intelligence for Hyperliquid."""

from importlib.metadata import version

__version__ = version("kamiyo")
