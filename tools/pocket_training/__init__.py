"""How the two embedded language models are made: text, training loop, the masked and the causal recipe, export."""
