# Everything a reader or an author calls. Needs: git, make, and one of Python 3.13, 3.12 or 3.11 with venv.

.DEFAULT_GOAL := help
.PHONY: help book test serve audit clean notebooks address colab release environment

# An interpreter of your own: make book PYTHON=/path/to/python3.12
PYTHON ?=
# Where `make serve` listens.
PORT ?= 8000
# make test FORCE=1 runs the tests even if nothing changed since the last green run.
FORCE ?=
# make test TWICE=all executes every chapter a second time, not one in twenty-two.
TWICE ?=
export FORCE PORT TWICE

# make release VERSION=1.2.0 publishes that version.
VERSION ?=
# What the shell of the caller may hold must not reach the book's own environment.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH VIRTUAL_ENV
export PYTHONUTF8 := 1

RUN := .venv/bin/python
# python -m tools --help lists what this Makefile calls, and more.
TOOLS := $(RUN) -m tools

# The first interpreter that really starts (a name can be a shim that fails) and is new enough, not too new.
# The environment's own comes first, so that it is kept once it was made with PYTHON=...
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
define FIND_PYTHON
if [ -n "$(PYTHON)" ]; then \
  if "$(PYTHON)" -c '$(FITS)' >/dev/null 2>&1; then found="$(PYTHON)"; \
  else echo 'PYTHON=$(PYTHON) is not a working Python 3.11, 3.12 or 3.13.' >&2; exit 1; fi; \
else \
  found=; \
  for name in $(RUN) python3.13 python3.12 python3.11 python3 python; do \
    if "$$name" -c '$(FITS)' >/dev/null 2>&1; then found="$$name"; break; fi; \
  done; \
  if [ -z "$$found" ]; then \
    echo 'No working Python 3.11, 3.12 or 3.13 was found on PATH.' >&2; \
    echo 'Install one, or name it: make book PYTHON=/path/to/python3.13' >&2; exit 1; \
  fi; \
fi
endef

help: ## list the commands
	@echo 'What does `neural_net.losses` hold? An executable book. Commands:'
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

environment: ## create or update .venv (the other commands do it themselves)
	@$(FIND_PYTHON); "$$found" -m tools environment

book: environment ## execute every chapter and build the site in _build/html
	@$(TOOLS) build

test: environment ## run all tests, the book's build among them (FORCE=1: even if nothing changed)
	@$(TOOLS) check

serve: book ## build the site and open it on http://localhost:8000 (PORT=... for another port)
	@echo 'The book is on http://localhost:$(PORT)/ (stop with Ctrl-C)'
	@$(RUN) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

audit: environment ## measure the built site in a browser (after make book; needs Node, npm and a Chromium)
	@$(TOOLS) audit

notebooks: environment ## write the Colab notebooks chapters/*.ipynb from the chapters
	@$(TOOLS) notebooks

address: environment ## carry the address of _config.yml to every place that shows it
	@$(TOOLS) address
	@$(TOOLS) notebooks

colab: environment ## run every notebook as on Colab: its packages of today, its own kernel, twice
	@$(TOOLS) notebooks --check
	@$(TOOLS) colab-environment
	@$(TOOLS) run --colab .colab

release: environment ## publish VERSION=1.2.0: tests, notebooks as on Colab, changelog, tag
	@$(TOOLS) release $(VERSION)

clean: ## remove everything that the commands made
	rm -rf .venv .colab _build build dist audit/node_modules *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find benchmarks chapters helpers tests tools _ext -name __pycache__ -type d -prune -exec rm -rf {} +
