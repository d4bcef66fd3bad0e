"""Floor 2, wing two: what is read at the masks → class scores, with torch. It takes tensors and knows no model."""
