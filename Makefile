# make demo | test | ui | docs | bench | lint: each sets up what it needs, once.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
MLFLOW_TRACKING_URI ?= sqlite:///mlflow.db
PORT ?= 5000
export MLFLOW_TRACKING_URI
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test slow ui docs bench lint format clean
.DEFAULT_GOAL := help

help: ## what there is
	@grep -E '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.run ## a sweep of 23 models on scikit-learn's digits, each evaluated, and the report (2½ minutes on two idle cores, once set up)
	@mlflow run . --env-manager local --experiment-name hit

test: $(VENV)/.dev ## every test but the slow ones
	pytest -n 2 --dist loadfile

slow: $(VENV)/.dev ## the tests that train for minutes
	pytest -m slow

ui: $(VENV)/.run ## the MLflow UI on the store, at 127.0.0.1:5000
	mlflow ui --backend-store-uri $(MLFLOW_TRACKING_URI) --host 127.0.0.1 --port $(PORT)

bench: $(VENV)/.dev ## the benchmarks: they print, and assert nothing about time; docs/benchmarks.md is what they recorded
	python -m tests.benchmarks.record
	python -m docs.make_benchmarks
	pytest tests/benchmarks --benchmark-enable --benchmark-only -s

docs: $(VENV)/.dev ## the documentation as a site, build/site/index.html, with its tutorial executed (minutes)
	HIT_DOCS_EXECUTE=1 PLOTLY_RENDERER=notebook python -m sphinx -W --keep-going -q -c docs -b html -d build/doctrees . build/site
	@echo "open build/site/index.html"

lint: $(VENV)/.dev ## ruff, mypy, and the layers
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo

format: $(VENV)/.dev ## let ruff put things in order
	ruff check --fix .
	ruff format .

clean: ## remove the environment; the store stays
	rm -rf $(VENV)

# What commands need, or all that tests need, in an environment that is made where there is none.
define install
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer is needed, got $$("$(PYTHON)" --version); name one: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "setting up $(VENV): some minutes, once"
	@python -m pip install --quiet --disable-pip-version-check --editable '$(1)'
endef

$(VENV)/.run: pyproject.toml
	$(call install,.)
	@touch $@

$(VENV)/.dev: pyproject.toml
	$(call install,.[dev])
	@touch $(VENV)/.run $@
