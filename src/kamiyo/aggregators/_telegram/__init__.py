"""The private parts of the source that reads Telegram."""
