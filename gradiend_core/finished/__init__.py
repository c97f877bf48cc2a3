"""What is done with finished runs: encode, export, stack, compare, report, and many from one file."""
