"""Orders, and the natural keys that protect them and their payments."""
