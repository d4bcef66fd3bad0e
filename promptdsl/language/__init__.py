"""Floor 1: the two languages, strings ⇄ trees, and what can be said of a string alone; lark and standard library."""
