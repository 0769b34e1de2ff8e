"""What shoppers see of the gateway itself."""
