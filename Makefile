# Everything a contributor does, by name. `make` alone lists the targets.
# PYTHON chooses the interpreter that makes the environment: make setup PYTHON=python3.12

PYTHON ?= python3
# make bench-peers: the scripts of the other engines, where their environments are kept (made where
# they are missing), and whether the slower ones run too: make bench-peers PEERS=FOLDER SLOW=1
PEERS ?=
ENVS ?= $(HOME)/.cache/tandem-peers
AT_ONCE ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run doctor test test-slow check format lint types imports fix bench bench-peers

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the environment in .venv

# In an activated environment the scripts are commands. The stamp is written last, so an interrupted installation is taken up again.
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tandem needs Python 3.11 or later: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --requirement requirements.lock
	@ln -sf $(addprefix ../../,$(wildcard *.py)) $(BIN)/
	@touch $@

run: $(READY) ## Do the whole main job on a synthetic market: train, then compare ML-off and ML-on
	$(BIN)/python run_backtest.py

# Without the environment, too: that it is missing is then what the doctor says.
doctor: PATIENT = $(firstword $(wildcard $(BIN)/python) $(PYTHON))
doctor: ## Look whether all is there that is needed, and say what to do about the rest
	@$(PATIENT) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tandem needs Python 3.11 or later: make doctor PYTHON=python3.11")'
	@$(PATIENT) -m engine.jobs.doctor

test: $(READY) ## Run the tests, but not the slow ones, two at once: make test AT_ONCE=4
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(AT_ONCE)

test-slow: $(READY) ## Run the proofs that take minutes
	$(BIN)/python -m pytest -m slow

check: format lint types imports ## Check format, lint, types and imports

format: $(READY)
	$(BIN)/python -m ruff format --check .

lint: $(READY)
	$(BIN)/python -m ruff check .

types: $(READY)
	$(BIN)/python -m mypy

imports: $(READY)
	$(BIN)/lint-imports

fix: $(READY) ## Format the code and mend what can be mended without thought
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(READY) ## Measure our speed on this machine (python -m benchmarks --help)
	$(BIN)/python -m benchmarks

bench-peers: $(READY) ## Measure beside other engines: make bench-peers PEERS=FOLDER
	$(BIN)/python -m benchmarks.peers "$(PEERS)" --envs "$(ENVS)" $(if $(SLOW),--slow)
