"""One small file for each strategy. CONTRIBUTING.md tells how to add one."""
