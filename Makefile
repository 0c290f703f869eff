# The one door for developers and for CI. `make` alone lists what there is.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Any Python >= 3.11 that can make a virtual environment; `make PYTHON=/path/to/python3.12` chooses.
PYTHON ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check
TEST_OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test validate bench check lint ruff format-check types layers format \
        constraints clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(STAMP) ## make .venv and install everything into it, at the versions of constraints.txt

$(BIN)/python:
	@found=''; \
	for candidate in $(if $(PYTHON),'$(PYTHON)',python3 python3.11 python3.12 python3.13 python3.14 python); do \
	  if "$$candidate" -c 'import sys, sqlite3, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	    >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo 'PrecisionChain needs Python 3.11 or newer with the venv, ensurepip and sqlite3 modules;' \
	    'none was found. Install one (on Debian: python3 and python3-venv) or name it:' \
	    'make setup PYTHON=/path/to/python3' >&2; exit 1; \
	fi; \
	echo "$(VENV): made by $$found ($$("$$found" -V 2>&1))"; \
	"$$found" -m venv $(VENV)

# The build backend first: nothing is fetched at a version that constraints.txt does not name.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo '$(VENV) is not of Python 3.11 or newer: remove it (rm -r $(VENV)) and run make setup again' >&2; exit 1; }
	@echo '$(VENV): installing the versions of constraints.txt (a few minutes the first time)'
	@$(PIP) install -q -c constraints.txt hatchling editables
	@$(PIP) install -q -c constraints.txt --no-build-isolation -e '.[dev,multichain,demo,pgen]'
	@touch $@

demo: setup ## generate a small consortium, ingest it, ask five questions, compare with the truth
	@$(BIN)/python -m precisionchain demo

test: setup ## every test but validation, a worker a core; TEST_OPTIONS='-n 0' for one after the other
	@$(BIN)/python -m pytest -n auto --dist loadfile $(TEST_OPTIONS)

validate: setup ## compare with other programs on real files; ALLOW_MISSING=1 skips what is absent
	@$(BIN)/python -m pytest tests/validation -m validation --timeout=3600 $(TEST_OPTIONS)

bench: setup ## speed, size and memory, each as a ratio in one run
	@$(BIN)/python -m benchmarks

check: setup ## all linters and all tests; runs every step and counts the failures
	@failed=''; \
	for step in ruff format-check types layers test; do \
	  echo "== $$step"; $(MAKE) --no-print-directory $$step || failed="$$failed $$step"; \
	done; \
	set -- $$failed; echo "== check: $$# of 5 steps failed$${failed:+:$$failed}"; [ $$# -eq 0 ]

lint: setup ## the linters alone; runs every one and counts the failures
	@failed=''; \
	for step in ruff format-check types layers; do \
	  echo "== $$step"; $(MAKE) --no-print-directory $$step || failed="$$failed $$step"; \
	done; \
	set -- $$failed; echo "== lint: $$# of 4 steps failed$${failed:+:$$failed}"; [ $$# -eq 0 ]

ruff: setup
	@$(BIN)/ruff check .

format-check: setup
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

# Without a cache: it would not notice that a module named by an old import has come to exist.
layers: setup
	@$(BIN)/lint-imports --no-cache --no-logo

format: setup ## rewrite the code as ruff wants it
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

constraints: ## resolve the newest versions anew, on the lowest supported Python, into constraints.txt
	@bash tools/freeze.sh

clean: ## remove caches and what demo and bench leave; .venv stays
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build demo_network
	@find precisionchain tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
