"""What everything stands on: errors, files, arrays, threads of the BLAS."""
