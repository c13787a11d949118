"""What all other packages use: errors, files, arrays, threads of the BLAS."""
