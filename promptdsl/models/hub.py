"""Whether a hub of models can be asked at all: known in a second, before a client retries for half a minute."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

__all__ = ["hub_is_reachable"]

PATIENCE = 3.0  # seconds


def hub_is_reachable() -> bool:
    """Whether a connection to the hub can be opened. Behind a proxy this cannot be told from here, and is assumed."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=PATIENCE):
            return True
    except OSError:
        return False
