# Everything is created in this directory: .venv, .airflow, .chaos, .fuzz, .matrix. You need Python 3.11 or newer, make and
# a package index. To use another Python: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
PYTEST := $(VENV_PYTHON) -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder
MAKEFLAGS += --no-print-directory

# The rooms that know no Airflow. The other tests wait a lot, and those that take longest come first.
CORE := $(addprefix tests/,crm/ export/ files/ rest/ runs/ sandbox/ sync/)
LONGEST := $(addprefix tests/,canary/ faults/ operators/ triggers/ clients/ hooks/)
SHELL_TESTS := $(LONGEST) $(filter-out $(CORE) $(LONGEST) %__/,$(wildcard tests/*/)) $(wildcard tests/test_*.py) \
	tests/export/test_object_store.py
WAITING := -n $$(($$(getconf _NPROCESSORS_ONLN) * 2))

.PHONY: help
help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: demo
demo: setup  ## Run the main example DAG in a real Airflow against the sandbox portal
	@$(VENV_PYTHON) scripts/demo.py

.PHONY: test
test: setup  ## Run the fast tests; to choose some: make test ARGS="tests/crm -k primary"
	@$(PYTEST) -m "not slow and not ui" $(ARGS)

.PHONY: test-all
test-all: setup  ## Run all tests except those in a browser: the core without Airflow, the others with real servers
	@$(VENV_PYTHON) scripts/debian.py openssl psql mariadbd mariadb_config pkg-config cc redis-server
	@$(VENV_PYTHON) -m uv pip install --quiet --python $(VENV_PYTHON) -r scripts/databases.txt
ifdef ARGS
	@$(PYTEST) -m "not ui" $(ARGS)
else
	@$(PYTEST) -p tests.no_airflow -m "not ui" $(CORE); core=$$?; \
	$(PYTEST) $(WAITING) -m "not ui" $(SHELL_TESTS) && exit $$core
endif

.PHONY: test-ui
test-ui: setup  ## Run the tests of Airflow's web interface in a headless Chromium
	@$(VENV_PYTHON) scripts/debian.py chromium chromedriver
	@$(VENV_PYTHON) -m pytest -m ui $(or $(ARGS),tests/ui)

.PHONY: coverage
coverage: setup  ## Measure the fast tests' coverage, including branches and child processes
	@$(PYTEST) -m "not slow and not ui" --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)

.PHONY: matrix
matrix: setup  ## Run the tests that use Airflow on every supported version; one: make matrix LINE=3.1
	@$(VENV_PYTHON) scripts/matrix.py $(addprefix --line=,$(LINE)) $(ARGS)

.PHONY: lint
lint: setup  ## Check style, types and the workflows
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m mypy scripts
	$(if $(wildcard .github),.venv/bin/zizmor --offline --no-progress --quiet .github)

.PHONY: airflow
airflow: setup  ## Start Airflow's web interface with the sandbox portal and the example DAGs
	@$(VENV_PYTHON) scripts/airflow_ui.py $(ARGS)

.PHONY: bench
bench: setup  ## Measure this package and other Bitrix24 clients
	@$(VENV_PYTHON) tests/benchmarks/run.py $(ARGS)

.PHONY: conformance
conformance: setup  ## Compare a real portal with the sandbox: PORTAL=mycompany.bitrix24.com, a webhook in BITRIX24_WEBHOOK
	@$(VENV_PYTHON) -m tests.conformance.runner "$(PORTAL)"

.PHONY: faults
faults: setup  ## Run every operator and bulk path through every fault; update the docs: make faults ARGS=--write-docs
	@$(VENV_PYTHON) -m tests.faults.matrix $(ARGS)

.PHONY: chaos
chaos: setup  ## Kill and freeze the parts of an Airflow cluster during syncs and exports; ARGS="--rounds 3 --seed 7"
	@$(PYTHON) scripts/setup.py .chaos scripts/chaos.txt
	@$(VENV_PYTHON) scripts/debian.py psql redis-server
	@.chaos/bin/python -m tests.chaos $(ARGS)

.PHONY: mutants
mutants: setup  ## Make small faults in a copy of the package and list those that no test notices
	@$(VENV_PYTHON) -m tests.mutation $(ARGS)

.PHONY: soak
soak: setup  ## Run a million calls through one client, and look for growth of memory, files, and threads
	@$(VENV_PYTHON) -m tests.faults.soak

.PHONY: fuzz
fuzz: setup  ## Read arbitrary bytes as answers, guided by coverage, for ten minutes; shorter: make fuzz MINUTES=1
	@$(PYTHON) scripts/setup.py .fuzz scripts/fuzz.txt
	@.fuzz/bin/python -m tests.fuzz .fuzz/found $(MINUTES)

.PHONY: docs
docs: setup  ## Build the documentation in docs/_build/html
	@$(VENV_PYTHON) -m sphinx -W --keep-going -q -b html docs docs/_build/html $(ARGS)

.PHONY: build
build: setup  ## Build the wheel and the source archive in dist/
	@$(VENV_PYTHON) -m build --no-isolation

.PHONY: sbom
sbom: setup  ## Write what the package needs at run time to dist/sbom.cdx.json (CycloneDX)
	@$(VENV_PYTHON) scripts/supply_chain.py sbom

.PHONY: audit
audit: setup  ## Look up all pinned packages in the OSV database of known vulnerabilities
	@$(VENV_PYTHON) scripts/supply_chain.py audit

.PHONY: pins
pins: setup  ## Update the pinned development requirements
	@PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/pin

.PHONY: clean
clean:  ## Remove everything that was created here
	rm -rf .venv .airflow .bench .chaos .fuzz .matrix .ui dist docs/_build htmlcov .coverage*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: setup
setup:
	@$(PYTHON) scripts/setup.py .venv scripts/requirements.txt
