"""How values of Python become SQL, and columns become values of Python.

A copy of ``conversions``, changed as needed, goes to `connect` as ``conv``: its keys are types for
the one way, and `constants.FIELD_TYPE` numbers for the other.
"""

from asyncmy.converters import conversions, escape_item, escape_string

__all__ = ["conversions", "escape_item", "escape_string"]
