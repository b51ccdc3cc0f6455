"""Addresses such as ``s3://bucket/folder?option=value``."""

from __future__ import annotations

import re

__all__ = ["ADDRESS", "public_address"]

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
"""What an address begins with, and no path."""


def public_address(address: str) -> str:
    """An address without its options, and without a name and password. Paths stay as they are."""
    if not ADDRESS.match(address):
        return address
    scheme, _, rest = address.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
