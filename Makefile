PYTHON ?= python3
BIN    := .venv/bin
UV     := $(BIN)/uv
NPM    := npm install --silent --no-fund --no-audit --prefix
PROXY  := configurable-http-proxy@5.3.0
REVEAL := reveal.js@5.2.1

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

# The workspace, which window is open where, is the project's own: it leaves the one of other projects alone.
lab: export JUPYTERLAB_WORKSPACES_DIR = $(CURDIR)/.venv/workspaces
lab: .venv/workspaces  ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab --allow-root --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

test: .venv/test  ## run every test, the notebooks included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadscope

bench: .venv/lab  ## measure the ways to read a secret side by side, into build/bench.json
	$(BIN)/python tests/bench.py

hub: .venv/hub .venv/workspaces  ## for a teacher: a hub for a class, CLASS_PASSWORD=… make hub
	$(BIN)/python -m jupyterhub -f workshop/hub/jupyterhub_config.py

class: .venv/hub .venv/workspaces  ## measure a class at once on this machine: make class LEARNERS=20
	LEARNERS=$(or $(LEARNERS),20) $(BIN)/python workshop/hub/class_load.py

slides: .venv/lab  ## slides of the workshop as offline HTML, into build/slides
	@command -v npm >/dev/null || { echo "Slides are shown by reveal.js: install Node.js and npm"; exit 1; }
	@$(NPM) .venv/reveal $(REVEAL)
	$(BIN)/python workshop/make_slides.py

outputs: .venv/lab  ## run all notebooks and rewrite their stored outputs
	$(BIN)/jupyter nbconvert --to notebook --inplace --config tests/outputs_config.py notebooks/*.ipynb

lock: .venv/lab  ## pin the newest versions that pyproject.toml allows
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		pyproject.toml -o requirements.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		--group test -c requirements.txt -o tests/requirements.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		--group hub -c requirements.txt -o workshop/hub/requirements.txt
	$(BIN)/python tests/environment_file.py

clean:  ## remove what was made, the environment included; a class's work, build/hub, stays
	rm -rf .venv build/slides build/*.json dist .pytest_cache .ruff_cache notebooks/.ipynb_checkpoints
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/lab: requirements.txt pyproject.toml binder/overrides.json
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13: install one of them and run: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@rm -rf .venv
	@echo "Setting up .venv: a few seconds"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(UV) pip install -q --require-hashes -r requirements.txt
	@$(UV) pip install -q --no-deps -e .
	@touch $@

.venv/workspaces: .venv/lab binder/workspace.json
	@JUPYTERLAB_WORKSPACES_DIR=$(CURDIR)/$@ $(BIN)/jupyter lab workspaces import binder/workspace.json
	@touch $@

.venv/test: .venv/lab tests/requirements.txt workshop/hub/requirements.txt
	@$(UV) pip install -q --require-hashes -r tests/requirements.txt
	@$(UV) pip install -q --require-hashes -r workshop/hub/requirements.txt
	@{ command -v npm && $(NPM) .venv/proxy $(PROXY) && $(NPM) .venv/reveal $(REVEAL); } >/dev/null || \
		echo "npm could not install the hub's proxy and reveal.js: the tests of hub and slides will skip"
	@touch $@

.venv/hub: .venv/lab workshop/hub/requirements.txt
	@command -v npm >/dev/null || { echo "The hub's proxy is a Node.js program: install Node.js and npm"; exit 1; }
	@$(UV) pip install -q --require-hashes -r workshop/hub/requirements.txt
	@$(NPM) .venv/proxy $(PROXY)
	@touch $@

.PHONY: help lab test bench hub class slides outputs lock clean
.DEFAULT_GOAL := help
