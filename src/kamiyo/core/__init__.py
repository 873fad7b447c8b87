"""The domain: values, facts, identities and the ports the outside world plugs into."""
