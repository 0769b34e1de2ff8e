"""Who may call, and the commands that decide it."""
