"""Who may call: merchants and their API keys."""
