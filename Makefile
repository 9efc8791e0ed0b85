# Everything runs in .venv, made from requirements.lock: every package pinned, every file hashed, nothing else fetched.
# Needs GNU make and Python 3.11 or newer. Uses uv where it is installed (faster), else venv and pip.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := var/demo
UV     := $(shell command -v uv 2>/dev/null)

ifdef UV
PIP_INSTALL := $(UV) pip install --quiet --python $(BIN)/python --no-python-downloads
PIP_CHECK   := $(UV) pip check --quiet --python $(BIN)/python
else
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore
PIP_CHECK   := $(BIN)/python -m pip check --disable-pip-version-check
endif

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench test-long verifier shots lock clean

help:                    ## show what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: setup               ## set up and serve the demonstration on http://127.0.0.1:8000, in a fresh database under var/demo
	@rm -rf $(DEMO) && mkdir -p $(dir $(DEMO))
	@echo "stepcare is in $(BIN): source $(BIN)/activate"; echo
	@$(BIN)/stepcare --data $(DEMO) demo

test: setup              ## set up and run the whole test suite, in random order, with the engine's coverage
	$(BIN)/pytest -n auto --cov --cov-report=term-missing:skip-covered -m "not long"

check: setup             ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: setup .venv-bench/.locked  ## measure on this machine beside others; writes docs/performance.md (BENCH_EPISODES=0: no million)
	BENCH_EPISODES=$(BENCH_EPISODES) $(BIN)/python -m tests.bench

# The peers live apart from us: their packages are not ours.
.venv-bench/.locked: requirements-bench.lock
ifdef UV
	@test -x .venv-bench/bin/python || $(UV) venv --quiet --no-python-downloads --python $(PYTHON) .venv-bench
	$(UV) pip install --quiet --python .venv-bench/bin/python --require-hashes --no-deps --only-binary :all: -r $<
else
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $<
endif
	@touch $@

verifier: setup          ## the verifier as one file, var/stepcare-verifier.pyz: needs Python and cryptography, nothing of ours
	@mkdir -p var
	$(BIN)/python -m stepcare.verifier.zip var/stepcare-verifier.pyz

test-long: setup         ## the tests that take minutes
	$(BIN)/pytest -n auto -m long

shots: setup             ## pictures of the pages into var/shots (needs chromium)
	$(BIN)/python -m tests.browser.shots

setup: $(VENV)/.installed

# The lock is the whole answer, so nothing is resolved again: an old pip would ask for a newer coverage[toml].
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stepcare needs Python 3.11 or newer: make PYTHON=python3.11")'
ifdef UV
	@test -x $(BIN)/python || $(UV) venv --quiet --no-python-downloads --python $(PYTHON) $(VENV)
else
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
endif
	$(PIP_INSTALL) --require-hashes --no-deps --only-binary :all: -r requirements.lock
	@touch $@

# The project itself: built with the hatchling that the lock has just installed, so that nothing more is fetched.
$(VENV)/.installed: $(VENV)/.locked pyproject.toml $(wildcard stepcare/static/*.* stepcare/static/.npmrc)
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	$(PIP_CHECK)
	@touch $@

lock:                    ## resolve the pinned packages anew (needs uv; writes no addresses)
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o requirements.lock
	sed -n '/^bench = \[/,/^\]/s/^ *"\(.*\)",$$/\1/p' pyproject.toml | uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate - -o requirements-bench.lock

clean:                   ## remove what make made
	rm -rf $(VENV) .venv-bench var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
