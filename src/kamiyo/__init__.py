"""Open, self-hosted risk and exploit intelligence for Hyperliquid."""
