"""What the API says of itself, and the page that shows it."""
