"""The suite: strategies, workloads, and what measures them. ``python -m bench --help`` tells how to run it."""
