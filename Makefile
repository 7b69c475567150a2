.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-15s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Make the environment in .venv

# torch has no hash in the lock, since its builds differ; pip takes the one that it is set up for.
# uv installs the rest in a quarter of pip's time; where only pip's index can be reached, pip does.
$(VENV)/.ready: pyproject.toml requirements.lock requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	awk '/^[a-z]/ {found = /^uv==/} found' requirements-dev.lock \
	  | $(BIN)/pip install --quiet --require-hashes --requirement /dev/stdin
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes \
	  --compile-bytecode --requirements requirements-dev.lock \
	  || $(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet "$$(sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml)"
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Make a mesh of the sample video: prints stages, seconds and where the files are
	-$(BIN)/tyre3d models fetch xfeat
	$(BIN)/tyre3d reconstruct tests/data/sample_tyre.mp4 --out out

ui: setup ## Start Prefect's server with its UI on http://127.0.0.1:4200, behind a password
	$(BIN)/tyre3d ui

test: setup ## Run the default tests: offline, no GPU, no services
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

test-busy: setup ## Run them RUNS times (10) on one core beside a program that never rests, and count
	@runs=$(or $(RUNS),10); green=0; \
	  taskset -c 0 sh -c "while kill -0 $$$$ 2>/dev/null; do :; done" & \
	  for run in $$(seq $$runs); do \
	    taskset -c 0 $(MAKE) --no-print-directory test && green=$$((green + 1)); \
	    echo "$$green of $$run green"; \
	  done; [ $$green -eq $$runs ]

test-browser: setup ## Try the reports in chromium (Debian's package; npm ci brings what drives it)
	$(BIN)/python -m pytest -m browser

viewer: ## Bundle the reports' viewer anew, of viewer/src and three.js
	npm ci
	npm run build:viewer

e2e: setup ## Run everything for real: Prefect, workers, S3, the API, a killed worker (minutes)
	$(BIN)/python -m pytest -m services tests/deployments/test_end_to_end.py

recovery: setup ## Kill, starve and restart what runs, one after the other; all tests with services
	$(BIN)/python -m pytest -m services tests/deployments

fuzz: setup ## Try bad inputs, faults, requests and functions for long; writes docs/reliability.md
	mkdir -p work && rm -f work/fuzz.jsonl
	TYRE3D_TEST_FUZZ=$(or $(TIMES),60) TYRE3D_TEST_FUZZ_REPORT=work/fuzz.jsonl \
	  $(BIN)/python -m pytest tests/corpus tests/deployments/test_fuzz_api.py; \
	  $(BIN)/python -m tests.corpus work/fuzz.jsonl

# What these three measure is written into docs/reliability.md.
load: setup ## Measure a long queue, bursts, stopped workers and 50 status requests a second
	$(call measured,load)

kills: export TYRE3D_TEST_KILLS = $(or $(KILLS),200)
kills: export TYRE3D_TEST_SEED = $(or $(SEED),0)
kills: setup ## Kill runs, workers, server and API at random (KILLS, SEED) while jobs are made
	$(call measured,kills)

endurance: export TYRE3D_TEST_RUNS = $(or $(RUNS),500)
endurance: setup ## Make many small runs (RUNS) in one worker: memory, handles, threads, disk
	$(call measured,endurance)

define measured
mkdir -p work && rm -f work/$(1).jsonl && touch work/$(1).jsonl; \
	  export TYRE3D_TEST_FUZZ_REPORT=work/$(1).jsonl; \
	  $(BIN)/python -m pytest -m slow tests/deployments/test_$(1).py; ended=$$?; \
	  $(BIN)/python -m tests.corpus work/$(1).jsonl && exit $$ended
endef

deploy: setup ## Make pools and deployments on the Prefect server of PREFECT_API_URL
	$(BIN)/python -m deployments.deploy --on $(or $(ON),process) $(if $(ALERT),--alert $(ALERT))

api: setup ## Serve the API for backends (settings: TYRE3D_API_...)
	$(BIN)/python -m deployments.api

bench: setup ## Measure everything that docs/benchmarks.md tells (an hour or so)
	$(BIN)/tyre3d models fetch u2netp xfeat
	$(BIN)/python -m bench

eval: setup ## Score the whole pipeline on films of five kinds with known geometry (three hours or so)
	$(BIN)/tyre3d models fetch xfeat
	PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=300 $(BIN)/python -m flows.evaluate

eval-pairs: setup ## Score comparisons on pairs of films with known change (COUNT of each of 12 kinds; hours)
	$(BIN)/tyre3d models fetch xfeat
	PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=300 $(BIN)/python -m flows.evaluate_pairs \
	  --count $(or $(COUNT),2)

train: setup ## Train the bundled model into work/training; goes on where it was stopped
	$(BIN)/python -m flows.train

train-fuser: setup ## Train the network that fuses its fields into work/fusion; likewise
	$(BIN)/python -m flows.train_fuser

train-segmenter: setup ## Train the tyre segmenter into work/segmentation; likewise
	$(BIN)/python -m flows.train_segmenter

check: setup ## Lint, type-check, and look whether the installed packages suit each other
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pip check

pictures: demo ## Make the documents' pictures of the sample's mesh and report anew (needs chromium, npm ci)
	$(BIN)/python -m tests.support.pictures tests/data/sample_tyre.mp4 out/sample_tyre

settings: setup ## Write docs/settings.md anew, of the code
	$(BIN)/python -m deployments.settings_page

lock: setup ## Write the locks anew, with hashes; versions that are locked stay
	deployments/lock.sh

sbom: setup ## Write a bill of what is shipped, with licences: work/sbom.cdx.json (CycloneDX)
	$(BIN)/python -m deployments.sbom work/sbom.cdx.json

.PHONY: help setup demo ui test test-busy test-browser viewer e2e recovery fuzz load kills endurance deploy api bench eval eval-pairs train train-fuser train-segmenter check pictures settings lock sbom
