"""The encoder-decoder, what it is fed, and how it is oriented and calibrated."""
