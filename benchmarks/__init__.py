"""What a request costs on Tornadic, measured beside its peers: `python -m benchmarks`.

One file for each concern: `scenarios` says what is sent and to which application, `servers`
holds those applications written for each framework, `load` sends the requests, `measure`
runs a server in a process of its own and reads what it used, `runs` puts the rounds in order
and `tables` prints them.  What is no request stands in `floors`, and `costs` measures it: by
`transfers` in bulk, or by `programs` that measure themselves, with `nginx` to fetch from.
README.md explains how far the figures can be trusted.
"""
