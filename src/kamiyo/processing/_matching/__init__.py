"""How reports are compared: what is read off each, what two have in common, and what that weighs."""
