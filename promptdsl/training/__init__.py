"""Floor 4: what is learnt from rows, of a verbalizer and of a prompt, and how it is kept: checkpoints, artefacts."""
