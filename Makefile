.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Make the environment in .venv

$(VENV)/.ready: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $@

demo: setup ## Make a mesh of the sample video: prints stages, seconds and where the files are
	$(BIN)/tyre3d models fetch u2netp
	$(BIN)/tyre3d reconstruct tests/data/sample_tyre.mp4 --out out

ui: setup ## Start Prefect's server with its UI on http://127.0.0.1:4200; runs appear there
	PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 $(BIN)/prefect server start

test: setup ## Run the default tests: offline, no GPU, no services
	$(BIN)/python -m pytest

e2e: setup ## Run everything for real: Prefect, workers, S3, the API, a killed worker (minutes)
	$(BIN)/tyre3d models fetch u2netp
	$(BIN)/python -m pytest -m services tests/deployments/test_end_to_end.py

recovery: setup ## Kill, starve and restart what runs, one after the other; all tests with services
	$(BIN)/tyre3d models fetch u2netp
	$(BIN)/python -m pytest -m services tests/deployments

load: setup ## Measure a queue of 100 with workers killed, and 50 status requests a second
	$(BIN)/python -m pytest -m slow tests/deployments/test_load.py

deploy: setup ## Make pools and deployments on the Prefect server of PREFECT_API_URL
	$(BIN)/python -m deployments.deploy --on $(or $(ON),process)

api: setup ## Serve the API for backends (settings: TYRE3D_API_...)
	$(BIN)/python -m deployments.api

bench: setup ## Measure everything that docs/benchmarks.md tells (an hour or so)
	$(BIN)/tyre3d models fetch u2netp
	$(BIN)/python -m bench

eval: setup ## Score the whole pipeline on test seeds with known geometry (an hour or so)
	$(BIN)/tyre3d models fetch u2netp
	PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=300 $(BIN)/python -m flows.evaluate

train: setup ## Train the bundled model into work/training; goes on where it was stopped
	$(BIN)/python -m flows.train

train-fuser: setup ## Train the network that fuses its fields into work/fusion; likewise
	$(BIN)/python -m flows.train_fuser

check: setup ## Lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: help setup demo ui test e2e recovery load deploy api bench eval train train-fuser check
