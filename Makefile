# Everything is made inside this folder: .venv, .airflow, .matrix. Needs Python 3.11 or newer, make and a
# package index. Another Python: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
MAKEFLAGS += --no-print-directory

.PHONY: help
help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: demo
demo: setup  ## Set a contact's companies in an imitation portal, by a DAG in a real Airflow
	@$(VENV_PYTHON) scripts/demo.py

.PHONY: test
test: setup  ## Run the tests; one of them: make test ARGS="tests/crm -k primary"
	@$(VENV_PYTHON) -m pytest $(ARGS)

.PHONY: airflow
airflow: setup  ## Open Airflow's web interface with the imitation portal and the examples
	@$(VENV_PYTHON) scripts/airflow_ui.py $(ARGS)

.PHONY: lint
lint: setup  ## Check style and types
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check
	$(VENV_PYTHON) -m mypy

.PHONY: matrix
matrix: setup  ## Run the tests that meet Airflow on 2.11, 3.0 and the newest; some: make matrix LINE="2.11 3.0"
	@$(VENV_PYTHON) scripts/matrix.py $(addprefix --line=,$(LINE)) $(ARGS)

.PHONY: bench
bench: setup  ## Measure this package beside other clients of Bitrix24
	@$(VENV_PYTHON) tests/benchmarks/run.py $(ARGS)

.PHONY: test-ui
test-ui: setup  ## Run the tests that use Airflow's web interface in a headless Chromium
	@$(VENV_PYTHON) scripts/chromium.py
	@$(VENV_PYTHON) -m pytest -m ui $(or $(ARGS),tests/ui)

.PHONY: docs
docs: setup  ## Build the documentation into docs/_build/html
	@$(VENV_PYTHON) -m sphinx -W --keep-going -q -b html docs docs/_build/html $(ARGS)

.PHONY: build
build: setup  ## Build the wheel and the source archive into dist/
	@$(VENV_PYTHON) -m build --no-isolation

.PHONY: pins
pins: setup  ## Renew the pinned requirements of development
	@PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/pin

.PHONY: clean
clean:  ## Remove all that was made here
	rm -rf .venv .airflow .bench .matrix .ui dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: setup
setup:
	@$(PYTHON) scripts/setup.py .venv scripts/requirements.txt
