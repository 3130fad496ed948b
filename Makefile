# SPDX-License-Identifier: Apache-2.0
# One page of commands. Each does first what it needs, once: a second call is quick.
#
#   make install               .venv with all that demo, evaluation and benchmarks need, and the demo city
#   make demo [ARGS="..."]     the demo city, running, at http://127.0.0.1:8000   (make demo ARGS=--help)
#   make test [PYTEST="..."]   everything that must hold; installs what is missing
#   make evaluate [ARGS="..."] the same seeds with and without lamplighter
#   make bench [ARGS="..."]    the bare loop at city scale
#   make campaign              property tests with a hundred times as many examples (hours)
#   make lint                  style, types, import contracts;   make format mends the style
#   make lock                  new versions into requirements/dev.lock;   make clean removes what make made

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help install city demo evaluate bench test campaign lint format lock dist clean packages-run packages-test

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
CITY ?= adlershof
ARGS ?=
PYTEST ?=
# the oldest Python that is tested is 3.11; the first of these that is new enough makes .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# where .venv/bin/python does not answer, nothing that the stamps say of .venv is true any longer
$(shell $(BIN)/python -c 'import pip' 2>/dev/null || rm -rf $(STAMPS))

FRONTEND := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
KERNELS := $(shell grep -rlE '^@(numba\.)?njit' lamplighter 2>/dev/null)

help:
	@sed -n '2,13s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

packages-run:
	@PYTHON="$(PYTHON)" scripts/debian-packages.sh run

packages-test:
	@PYTHON="$(PYTHON)" scripts/debian-packages.sh test

# A .venv that was interrupted half-way, or whose Python is gone, is made anew; a sound one is kept.
$(STAMPS)/venv: | packages-run
	@test -n "$(PYTHON)" || { echo "lamplighter needs Python 3.11 or newer; none was found on the path." \
	    "Debian 12: apt-get install python3 python3-venv. Elsewhere: make install PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv --clear $(VENV); }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/packages: requirements/dev.lock $(STAMPS)/venv
	@echo "installing the locked packages (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

# Installing builds the front end too (hatch_build.py), with the Node that the lock brings.
$(STAMPS)/lamplighter: pyproject.toml hatch_build.py $(FRONTEND) $(STAMPS)/packages
	@echo "installing lamplighter, and building its page where that is out of date"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Asked every time, since the data directory is not the checkout's: at once where it holds this version's city.
city: $(STAMPS)/lamplighter
	@$(BIN)/lamplighter city build $(CITY) --if-missing

# numba compiles once, into its cache, so that no first tick of a city waits for a compiler: a minute of a made-up city
# goes through every decider and every interlock.
$(STAMPS)/kernels: $(KERNELS) $(STAMPS)/lamplighter
	@echo "compiling kernels"
	@$(BIN)/lamplighter bench loop --scale 0.0002 --seconds 61 >$(STAMPS)/kernels.log 2>&1 || { cat $(STAMPS)/kernels.log; exit 1; }
	@touch $@

install: city $(STAMPS)/kernels

demo: install
	@exec $(BIN)/lamplighter demo $(ARGS)

evaluate: install
	@exec $(BIN)/lamplighter evaluate --city $(CITY) $(ARGS)

bench: install
	@exec $(BIN)/lamplighter bench loop $(ARGS)

# All four look, whatever the first ones find.
lint: $(STAMPS)/lamplighter
	@found=0; \
	    $(BIN)/ruff check --quiet --output-format concise . || found=1; \
	    $(BIN)/ruff format --quiet --check . || { echo "ruff format: 'make format' mends these"; found=1; }; \
	    $(BIN)/lint-imports --no-logo >$(STAMPS)/contracts.log 2>&1 || { cat $(STAMPS)/contracts.log; found=1; }; \
	    $(BIN)/pyright >$(STAMPS)/types.log 2>&1 || { cat $(STAMPS)/types.log; found=1; }; \
	    test $$found = 0 && echo "style, contracts and types hold" || exit 1

format: $(STAMPS)/lamplighter
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

# Tests run even where style, contracts or types fail, so that one run tells all; it fails then all the same. pytest's
# closing line is the last one printed.
test: packages-test install
	@$(MAKE) --no-print-directory lint; lint=$$?; \
	    $(BIN)/python -m pytest -q -n 2 --dist loadfile $(PYTEST); tests=$$?; \
	    test $$lint = 0 || exit $$lint; exit $$tests

# the same properties as in the tests, with a hundred times as many examples, and what is marked for the night
campaign: install
	@LAMPLIGHTER_HYPOTHESIS=campaign exec $(BIN)/python -m pytest -q -n 2 -m "hypothesis or campaign" $(PYTEST)

lock:
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --generate-hashes \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet --output-file requirements/dev.lock

dist: $(STAMPS)/lamplighter
	@$(BIN)/python -m hatchling build

clean:
	@rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage frontend/node_modules \
	    lamplighter/web/static
	@find lamplighter tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
