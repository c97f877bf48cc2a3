"""`python -m gradiend_core` is the command `gradiend`."""

from gradiend_core.cli import main

main()
