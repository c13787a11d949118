"""Words, vocabulary, contexts and splits; finding and downloading corpora."""
