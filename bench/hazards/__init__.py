"""One small file for each hazard probe. The framework: registry, subject, stage, finding, worker, runner, command."""
