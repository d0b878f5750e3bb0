# make demo   set up, then images, model and report from the jets in sample_data/
# make test   set up, then every check that a change has to pass
# make bench  set up, then set every stage beside other tools and beside the machine's limits
# make clean  remove what the two have made

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STUDY := pipelines/quark_gluon

# pip leaves a stamp behind, so that nothing is installed twice.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt --only-binary=pythia8mc $(PIP_ARGS)

.PHONY: demo test bench format clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(None if (3, 11) <= v <= (3, 13) else "detcnn needs Python 3.11 to 3.13, found %d.%d: make PYTHON=python3.11 ..." % v)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@$(MAKE) --no-print-directory -C $(STUDY) DETCNN=$(abspath $(BIN))/detcnn report
	@echo "open $(STUDY)/work/small/metrics/report.html"

# One thread for each test process: several pools of threads on few cores only wait for each other.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --dist worksteal

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(INSTALL) --editable '.[bench]'
	@touch $@

# STAGES=projection for one of them; OUTPUT=benchmarks/results keeps the tables.
bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks $(STAGES) $(if $(OUTPUT),--output $(OUTPUT))

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(STUDY)/work .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
