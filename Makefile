# Coreshift. `make help` lists what there is. Needs Python 3.11 to 3.14, git and this make (3.81 or newer).
#
# Every target that needs the environment makes it first: `.venv`, with the exact versions and hashes of
# requirements.lock. It is brought up to date when the lock file changes. Choose another Python with
# `make sweep PYTHON=/path/to/python3.12`, and pass arguments with `make sweep ARGS="topology=altra_2s"`.

SHELL = /bin/sh
.DEFAULT_GOAL := help

VENV = .venv
PY = $(VENV)/bin/python
STAMP = $(VENV)/.coreshift-installed
PYTHON =
ARGS =
WORKERS = 2

PYTHONS = $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3)
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
# DVC runs its stages' `python` from the environment, and sends no statistics.
DVC = PATH="$(CURDIR)/$(VENV)/bin:$$PATH" DVC_NO_ANALYTICS=1 $(PY) -m dvc

.PHONY: help setup sweep test validate bench doctor explore ui report docs repro lint format types lock clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

sweep: $(STAMP) ## run the default study, or the one that ARGS="..." describes
	@$(PY) -m pipeline.sweep $(ARGS)

# The simulator is compiled once, before the workers start: it would cost each of them as much.
test: $(STAMP) ## run the tests; ARGS="tests/unit -k mask" chooses some
	@$(PY) -c 'import sim; sim.compile_kernels()'
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

validate: $(STAMP) ## hold the simulator against theory (some ten minutes), with a report; ARGS="--quick"
	@$(PY) -m tests.validation $(ARGS)

bench: $(STAMP) ## measure speed beside SimPy, Ciw, plain C and Ray; ARGS="--quick --only closed,mm1"
	@$(PY) -m tests.bench $(ARGS)

doctor: $(STAMP) ## check the installation, and say what to mend; ARGS="--quick"
	@$(PY) -m pipeline.doctor $(ARGS)

explore: $(STAMP) ## browse a finished sweep in the terminal; ARGS="default" or "list"
	@$(PY) -m pipeline.explore $(ARGS)

ui: $(STAMP) ## browse the recorded runs (MLflow, on this machine only)
	@$(PY) -m pipeline.ui $(ARGS)

report: $(STAMP) ## rebuild the report of a finished run
	@$(PY) -m pipeline.report $(ARGS)

# Every warning is an error, dead links between pages too. Links to elsewhere: make docs ARGS="-b linkcheck".
docs: $(STAMP) ## build the documentation as a site, outputs/docs/index.html
	@$(PY) -m sphinx -n -W --keep-going -q -b html -c pipeline/site -d outputs/docs/.doctrees $(ARGS) . outputs/docs
	@echo "outputs/docs/index.html"

repro: $(STAMP) ## rebuild the study's tables where something changed (dvc repro)
	@$(DVC) repro $(ARGS)

lint: $(STAMP) ## check style and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(STAMP) ## format the code and mend what can be mended
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: $(STAMP) ## check types
	@$(PY) -m mypy

setup: $(STAMP) ## only make the environment, and compile the simulator

# Three steps: an environment, uv into it (by pip, checked against the lock's hashes), and the packages.
# uv compiles bytecode while it installs, so that later starts are twice as fast even where
# PYTHONDONTWRITEBYTECODE is set. Where uv cannot be had or does not reach the packages (it reads none of
# pip's settings), pip does the same more slowly.
$(STAMP): requirements.lock pyproject.toml
	@rm -f $@
	@if $(PY) -c '$(FITS)' 2>/dev/null && $(PY) -m pip -V >/dev/null 2>&1; then exit 0; fi; \
	for python in $(PYTHONS); do \
	  "$$python" -c '$(FITS)' >/dev/null 2>&1 || continue; \
	  echo "Making the environment $(VENV) with $$("$$python" -V) ..."; \
	  "$$python" -m venv --clear $(VENV) && exit 0; \
	  echo "$$python cannot make environments."; \
	done; \
	{ echo; \
	  echo "Coreshift needs a Python from 3.11 to 3.14 with its venv module; tried: $(PYTHONS)."; \
	  echo "  Debian, Ubuntu:  apt-get install python3 python3-venv"; \
	  echo "  Fedora:          dnf install python3"; \
	  echo "  macOS:           brew install python@3.13"; \
	  echo "Or name one:       make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12"; } >&2; \
	exit 1
	@awk '/^[^ #]/ { keep = /^uv==/ } keep' requirements.lock > $(VENV)/uv.lock
	@PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
	  $(PY) -m pip install -qq --require-hashes -r $(VENV)/uv.lock || echo "No uv: going on with pip." >&2
	@echo "Installing the locked packages (some 1.8 GB; once, a minute or a few) ..."
	@if [ -t 1 ]; then quiet=; else quiet=-q; fi; \
	if $(VENV)/bin/uv pip install $$quiet --python $(PY) --compile-bytecode --require-hashes -r requirements.lock \
	  && $(VENV)/bin/uv pip install -q --python $(PY) --no-deps --no-build-isolation -e .; \
	then exit 0; fi; \
	echo "Going on with pip (some minutes) ..." >&2; \
	export PYTHONDONTWRITEBYTECODE= PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1; \
	$(PY) -m pip install -q --require-hashes -r requirements.lock \
	  && $(PY) -m pip install -q --no-deps --no-build-isolation -e .
	@echo "Compiling the simulator (once, about half a minute) ..."
	@$(PY) -c 'import sim; sim.compile_kernels()'
	@touch $@

# One lock for Linux and macOS and every supported Python. It holds versions and hashes and no addresses; the
# markers that are true wherever Coreshift installs are taken out.
lock: $(STAMP) ## resolve requirements.lock again; ARGS="--upgrade" for the newest versions
	@cp requirements.lock $(VENV)/new.lock
	@$(VENV)/bin/uv pip compile pyproject.toml --extra dev --universal --fork-strategy fewest --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q $(ARGS) -o $(VENV)/new.lock
	@sed -E -e "s/ and \(sys_platform == 'darwin' or sys_platform == 'linux'\)//" \
	  -e "s/ ; python_full_version < '3\.15' and / ; /" -e "s/ ; python_full_version < '3\.15' / /" \
	  $(VENV)/new.lock > requirements.lock
	@! grep -nE 'https?://|^--' requirements.lock

clean: ## remove caches and build leftovers; results in outputs/ stay
	@rm -rf build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	@find conf pipeline sim tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environment as well
	@rm -rf $(VENV)
