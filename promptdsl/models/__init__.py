"""Floor 3: a masked or causal language model, or an encoder-decoder of T5's shape, read through the two strings."""
