"""The encoder-decoder, its training batches, and how it is oriented and calibrated."""
