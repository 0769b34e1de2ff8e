"""What merchants start from: each example runs as it stands, against what really is sent."""
