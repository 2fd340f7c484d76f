"""The one kind of error that the user sees."""


class Trouble(Exception):
    """What is wrong and what to do about it, in one line."""
