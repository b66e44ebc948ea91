# `make demo` and `make test` are all a fresh machine needs: Python, make and git.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
COMPAT_VENV ?= .venv-compat
AUTOBAHN_VENV ?= .venv-autobahn
ARGS ?=

.PHONY: demo test lint fuzz bench compat conformance clean

demo: $(VENV)/.installed
	@exec $(VENV)/bin/tornadic run demo/app.py $(ARGS)

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest $(ARGS)

lint: $(VENV)/.installed-lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# For as long as asked: make fuzz SECONDS=600
SECONDS ?= 60
fuzz: $(VENV)/.installed-test
	FUZZ_SECONDS=$(SECONDS) $(VENV)/bin/python -m pytest tests/fuzz -s --timeout=0 $(ARGS)

bench: $(BENCH_VENV)/.installed-bench
	$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

# Tornado's own tests, on Tornadic: make compat ARGS='--jobs 2 web_test'
compat:
	$(PYTHON) -m tests.tornado_suite --venv $(COMPAT_VENV) $(ARGS)

# The Autobahn test suite, a program for Python 2.7: make conformance ARGS='--server --cases 9.*'
conformance: $(VENV)/.installed-test
	$(VENV)/bin/python -m tests.conformance --venv $(AUTOBAHN_VENV) $(ARGS)

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(COMPAT_VENV) $(AUTOBAHN_VENV) build dist src/*.egg-info src/tornadic/frames/*.so

$(VENV)/bin/python $(BENCH_VENV)/bin/python:
	$(PYTHON) -m venv $(@D:/bin=)

# One stamp for each set of extras, renewed when the package's description changes, or what has
# to be compiled.
PACKAGE := pyproject.toml setup.py src/tornadic/frames/_masking.c
$(VENV)/.installed: $(PACKAGE) | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-%: $(PACKAGE) | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(BENCH_VENV)/.installed-%: $(PACKAGE) | $(BENCH_VENV)/bin/python
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
