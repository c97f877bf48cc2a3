"""Who is plugged in: discovery, strict registration, and what they contribute."""
