"""How often the gate and the duel are wrong, counted on the machine where it runs: ``nox -s calibrate``."""
