"""The error of all tools."""

from __future__ import annotations


class ToolError(Exception):
    """Something that the tools need is missing or failed; the message says what to do."""
