"""``python -m bench.hazards``."""

from bench.hazards.command import main

main()
