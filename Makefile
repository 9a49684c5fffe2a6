# `make` prints the targets. Each sets itself up in a virtual environment of its own, .venv-<version of Python>.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUITABLE)' 2>/dev/null && echo $$python && break; done)
endif
VERSION := $(shell $(or $(PYTHON),false) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv-$(VERSION)
BIN := $(VENV)/bin

on = $(filter-out 0,$(strip $(1)))

# Without THREAD_TELEMETRY_REQUIRE_EXTENSION in the environment, the extension is required wherever it can be built.
ifndef THREAD_TELEMETRY_REQUIRE_EXTENSION
CANNOT_COMPILE := $(shell $(if $(filter default,$(origin CC)),,CC='$(CC)') $(or $(PYTHON),false) scripts/can_compile.py)
THREAD_TELEMETRY_REQUIRE_EXTENSION := $(if $(CANNOT_COMPILE),0,1)
endif
export THREAD_TELEMETRY_REQUIRE_EXTENSION
BUILT := $(VENV)/.built-$(if $(call on,$(THREAD_TELEMETRY_REQUIRE_EXTENSION)),c,pure)

.PHONY: help venv build test test-suites test-pure test-prometheus test-services demo dashboards boards-preview docs site pictures bench bench-service lint typecheck sanitize clean

help:
	@echo 'usage: make TARGET [PYTHON=python3.13] [PURE=1] [SLOW=1] [ARGS="..."]'
	@echo
	@sed -En 's/^#: ([^:]+): /  \1	/p' Makefile | expand -t 19
	@echo
	@echo 'PYTHON chooses the interpreter, PURE=1 the pure-Python core, SLOW=1 adds the slow tests, ARGS go to what is run.'

$(BIN)/python:
	@test -n '$(VERSION)' || { echo 'Python 3.11 or later is needed; name one with PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)' || { echo 'Python 3.11 or later is needed, $(PYTHON) is $(VERSION)' >&2; exit 1; }
	@echo 'setting up $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo '$(PYTHON) makes no virtual environment; on Debian and Ubuntu: apt install python$(VERSION)-venv' >&2; exit 1; }
	@$(BIN)/python -m pip -qq install --upgrade pip 'setuptools>=77' || { rm -rf $(VENV); exit 1; }

$(BUILT): pyproject.toml setup.py src/thread-telemetry.pth $(wildcard src/thread/_c/*) | $(BIN)/python
	@echo 'building for Python $(VERSION)'
	@$(BIN)/python -m pip -qq install --no-build-isolation --editable '.[dev]'
	@touch $@

#: venv: the virtual environment alone
venv: $(BIN)/python

#: build: the package, editable, with its extension where there is a compiler
build: $(BUILT)
	@$(if $(CANNOT_COMPILE),echo '$(CANNOT_COMPILE)')

#: test: the test suite; PURE=1 tests the pure-Python core
test: build
	@$(if $(call on,$(PURE)),THREAD_TELEMETRY_PURE=1 )$(BIN)/python -m pytest $(if $(call on,$(SLOW)),--slow )$(ARGS)

#: test-suites: the interpreter's own suites, unmodified, under observation from start-up
test-suites:
	@$(MAKE) --no-print-directory test ARGS='--suites $(ARGS)'

#: test-pure: the same as make test PURE=1
test-pure:
	@$(MAKE) --no-print-directory test PURE=1

PROMETHEUS := prometheus promtool=prometheus docker-compose
PREVIEW := chromium node=nodejs npm pngquant

#: test-prometheus: metrics, dashboards and rules against a real Prometheus, which root gets installed
test-prometheus: build
	@scripts/install_packages $(PROMETHEUS) $(PREVIEW)
	@PYTHONPATH=tests/support $(BIN)/python -m dashboards.preview --install
	@THREAD_TELEMETRY_REQUIRE_PROMETHEUS=1 $(BIN)/python -m pytest --prometheus $(ARGS) tests/prometheus

#: test-services: real services, started as docs/services.md says; root gets PostgreSQL and Redis installed
test-services: build
	@scripts/install_packages '/usr/lib/postgresql/*/bin/initdb=postgresql' redis-server
	@$(BIN)/python -m pip -qq install -r tests/services/requirements.txt
	@$(BIN)/python -m pytest --services $(ARGS) tests/services

# What develops the project is more than a demo needs, and takes minutes to install.
DEMO := $(if $(wildcard $(BUILT)),$(BUILT),$(VENV)/.demo)

$(VENV)/.demo: pyproject.toml setup.py | $(BIN)/python
	@echo 'installing what the demo needs'
	@$(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --editable '.[demo]'
	@touch $@

#: demo: a small shop under load, observed; DEMO_SECONDS=20 ends it by itself
demo: $(DEMO)
	@$(BIN)/python examples/demo.py $(ARGS)

#: docs: docs/metrics.md and the tables of settings in docs/installing.md, from the code
docs: build
	@$(BIN)/python scripts/document_metrics.py $(ARGS)
	@$(BIN)/python scripts/document_settings.py $(ARGS)

#: site: the documentation site, in site/; a broken link or anchor is an error
site: build
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet $(ARGS)

#: pictures: what a terminal shows, for README.md and docs/, from a run of the example shop
pictures: build
	@$(BIN)/python docs/pictures/terminal.py

#: dashboards: the JSON of the Grafana dashboards, from its code; ARGS=--check only compares them
dashboards: build
	@$(BIN)/python -m dashboards $(ARGS)

#: boards-preview: pictures of the boards, drawn without Grafana; root gets Chromium and Node installed
boards-preview: build
	@scripts/install_packages $(PROMETHEUS) $(PREVIEW)
	@PYTHONPATH=tests/support $(BIN)/python -m dashboards.preview $(ARGS)

#: bench: the promises of speed, measured on this machine
bench: build
	@$(BIN)/python -m benchmarks $(ARGS)

#: bench-service: a threaded web service under load, observed and not
bench-service: build
	@$(BIN)/python -m benchmarks service $(ARGS)

#: lint: ruff, and shellcheck where it is installed
lint: build
	@$(BIN)/ruff check
	@scripts=$$(grep -lEd skip '^#!.*/(ba)?sh' .ci/* scripts/*); \
	if command -v shellcheck >/dev/null; then shellcheck $$scripts; \
	else echo 'shellcheck is not installed: the shell scripts were not checked'; fi

#: typecheck: mypy --strict and pyright, for the oldest and the newest Python
typecheck: build
	@for version in 3.11 3.15; do $(BIN)/mypy --python-version $$version || exit; done
	@for version in 3.11 3.15; do $(BIN)/pyright --pythonpath $(BIN)/python --pythonversion $$version || exit; done

#: sanitize: the C core under the address and undefined-behaviour sanitizers and the interpreter's debug hooks
sanitize: build
	@scripts/sanitize $(BIN)/python $(ARGS)

#: clean: removes all that make has made
clean:
	@rm -rf .venv-* build dist *.egg-info src/thread/*.so .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
