"""What a shop's page and its shoppers use: the widget, its API without a secret, the pay pages."""
