# The two commands of the README, and what developers need besides. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
DEMO_DIR ?= demo

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(VENV)/installed-demo ## Train on a real Sentinel-2 scene and draw the land-cover map (writes ./demo)
	@PATH="$(CURDIR)/$(BIN):$$PATH" ./scripts/demo.sh $(DEMO_DIR)

.PHONY: test
test: $(VENV)/installed-test ## Run the default tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.PHONY: test-slow
test-slow: $(VENV)/installed-test $(VENV)/installed-demo ## Run the tests that take longer
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2

.PHONY: lint
lint: $(VENV)/installed-dev ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/installed-dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: newest
newest: $(VENV)/python ## Install the newest release of everything, instead of the tested ones
	$(PIP) --upgrade --upgrade-strategy eager -e '.[vector,ray,test,dev]'

.PHONY: clean
clean: ## Remove the environment and what the demo wrote
	rm -rf $(VENV) $(DEMO_DIR)

# The environment. A stamp per extra, renewed when the dependencies change.
$(VENV)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: '$(PYTHON)' was not found. Install it, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: '$(PYTHON)' is $$($(PYTHON) -V). Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "The module venv of '$(PYTHON)' is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Creating the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml constraints.txt
	@echo "Installing terratorch and what it needs (PyTorch is large: this takes some minutes) ..."
	@$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/installed-demo: $(VENV)/installed
	@$(PIP) -c constraints.txt -e '.[vector]'
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@$(PIP) -c constraints.txt -e '.[vector,ray,test]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	@$(PIP) -c constraints.txt -e '.[vector,ray,test,dev]'
	@touch $@
