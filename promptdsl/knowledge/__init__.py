"""Floor ½: where label words come from: WordNet through NLTK, and word lists. NLTK is loaded on first use."""
