"""What lets a program written for Tornado run on Tornadic.

``install_as_tornado`` makes ``import tornado`` mean Tornadic.  It has to come before all else, so
importing this package loads nothing more of Tornadic.
"""

from tornadic.compat.alias import install_as_tornado

__all__ = ["install_as_tornado"]
