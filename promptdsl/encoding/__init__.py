"""Floor 2, wing one: rows → token ids, with a tokenizer and numpy, without torch."""

from promptdsl.encoding.compiler import TokenProgram, bind
from promptdsl.encoding.encoder import Encoding, encode
from promptdsl.encoding.rows import Rows, as_rows

__all__ = ["Encoding", "Rows", "TokenProgram", "as_rows", "bind", "encode"]
