"""The part of the package's description that pyproject.toml cannot hold: the C extension.

It is optional.  Where it cannot be built, for want of a compiler say, Python does its work.
"""

import sysconfig

from setuptools import Extension, setup

# Free-threaded CPython has no stable ABI.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            "tornadic.frames._masking",
            ["src/tornadic/frames/_masking.c"],
            py_limited_api=STABLE,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
