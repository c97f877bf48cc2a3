"""Finished runs: encode, export, stack, compare and report them, and start many from one file."""
