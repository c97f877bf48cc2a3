"""From raw text to minimal pairs."""
