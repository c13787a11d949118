"""SGD, batch-norm statistics, evaluation, sampling, checkpoints and runs."""
