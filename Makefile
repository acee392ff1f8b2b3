# `make <goal>` works on a bare machine: the first call builds .venv from requirements.lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# More arguments for the program behind a goal: make train ARGS="--seed 1", make test ARGS="-k noise -x"
ARGS ?=
# Tests share the cores; more processes than this would spend longer importing than testing.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8

# Policies of the report that `make docs` builds, and the episodes that are played for it
REPORTED ?= peg_insertion peg_insertion_all_shapes
REPORT_EPISODES ?= 20

ifndef RUN
RUN := runs/peg-insertion-$(shell date +%Y%m%d-%H%M%S)
endif

.DEFAULT_GOAL := help
.PHONY: help train test test-slow check docs bench format clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

# `mmrl train` ends with an evaluation of its own.
train: $(INSTALLED)  ## train peg insertion, judge the policy and film it (RUN=folder, ARGS=...)
	$(BIN)/mmrl train mmrl/PegInsertion-v0 --run-dir "$(RUN)" $(ARGS)
	$(BIN)/mmrl watch "$(RUN)"

test: $(INSTALLED)  ## the fast tests
	$(PYTEST) $(ARGS)

test-slow: $(INSTALLED)  ## the tests that learn
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(INSTALLED)  ## format, lint, types, imports and the fast tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) $(ARGS)

docs: $(INSTALLED)  ## the documentation site and the report of shipped policies, in site/; a link that leads nowhere ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet $(ARGS)
	$(BIN)/mmrl report $(REPORTED) --episodes $(REPORT_EPISODES) --output site/report_of_policies.html

bench: $(INSTALLED)  ## measure speed
	$(BIN)/python -m benchmarks $(ARGS)

format: $(INSTALLED)  ## rewrite the sources in house format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean:  ## remove the environment, caches and builds (runs/ stays)
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml requirements.lock requirements-torch.txt
	@command -v $(PYTHON) >/dev/null || { echo >&2 \
	    "mmrl needs Python 3.11 or newer and found no '$(PYTHON)'. On Debian or Ubuntu:" \
	    "apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	    "mmrl needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	    "Name a newer one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo >&2 \
	    "'$(PYTHON)' cannot make virtual environments (venv or ensurepip is missing). On Debian or Ubuntu:" \
	    "apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet -r requirements-torch.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check
	@touch $@
