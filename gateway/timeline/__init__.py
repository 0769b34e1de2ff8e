"""One payment's whole story: what happened, who was asked and told, and what comes next."""
