PYTHON ?= python3
BIN    := .venv/bin
UV     := $(BIN)/uv
NPM    := npm install --silent --no-fund --no-audit --prefix
WHEELS := --only-binary :all:
PROXY  := configurable-http-proxy@5.3.0
REVEAL := reveal.js@5.2.1
PYRIGHT := pyright@1.1.414
# JupyterLab draws in what checks international addresses, which nothing here has: to load it takes two seconds and 19 MB.
LEAN   := $(UV) pip uninstall -q rfc3987-syntax

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

# The workspace, which window is open where, is the project's own: it leaves the one of other projects alone.
lab: export JUPYTERLAB_WORKSPACES_DIR = $(CURDIR)/.venv/workspaces
lab: .venv/workspaces  ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab --allow-root --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

# What tests import is compiled once, also where the environment says that Python mustn't keep it: that halves their time.
check test again: export PYTHONDONTWRITEBYTECODE =
check: .venv/test  ## a minute: style, types, imports, spelling, and every test that is not slow
	$(BIN)/ruff check -q .
	$(BIN)/ruff format -q --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	$(BIN)/deptry .
	$(BIN)/python -m pytest -q -n 2 --dist loadscope -m "not slow and not again"

test: .venv/test  ## all that `make check` does, and every notebook, page and slow test
	$(MAKE) check
	$(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder -m "slow and not again"

again: .venv/test  ## run the notebooks elsewhere too: with another AWS, and in JupyterLab
	$(BIN)/python -m pytest -n 2 --dist loadscope -m again

live: export TUTORIAL_CLOUD = live
live: .venv/lab  ## run notebook 11 on your own accounts, into build/live.json: it asks first
	@$(BIN)/python tools/go_live.py $(if $(YES),--yes)

bench: .venv/lab  ## measure the ways to read a secret side by side, into build/bench.json
	$(BIN)/python tools/bench.py

hub: .venv/hub .venv/workspaces  ## for a teacher: a hub for a class, CLASS_PASSWORD=… make hub
	$(BIN)/python workshop/hub/class_app.py

class: .venv/hub .venv/workspaces  ## measure a class at once on this machine: make class LEARNERS=20
	LEARNERS=$(or $(LEARNERS),20) CRASH=$(CRASH) $(BIN)/python workshop/hub/class_load.py

push: .venv/hub  ## for a teacher: corrected notebooks to all who have begun; SOLUTIONS=yes, FRESH=name
	SOLUTIONS=$(SOLUTIONS) FRESH=$(FRESH) $(BIN)/python workshop/hub/class_push.py

hub-doctor: .venv/hub  ## for a teacher: is this machine ready? make hub-doctor LEARNERS=20
	@LEARNERS=$(LEARNERS) $(BIN)/python workshop/hub/class_doctor.py

hub-end: .venv/hub  ## for a teacher: the class is over; remove the learners' accounts, and their work with build/hub
	@$(BIN)/python workshop/hub/class_end.py

slides: .venv/lab  ## slides of the workshop as offline HTML, into build/slides
	@command -v npm >/dev/null || { echo "Slides are shown by reveal.js: install Node.js and npm"; exit 1; }
	@$(NPM) .venv/reveal $(REVEAL)
	$(BIN)/python workshop/make_slides.py

book: .venv/book  ## the web book, a static site from the stored outputs, into build/book
	$(BIN)/python docs/make_book.py

lambda: .venv/lab  ## pack the two Lambda functions for AWS, into build/lambda; deploy/ has the templates
	$(BIN)/python deploy/make_zips.py

outputs: .venv/lab  ## run all notebooks and rewrite their stored outputs
	$(BIN)/jupyter nbconvert --to notebook --inplace --config tests/outputs_config.py notebooks/*.ipynb

lock: .venv/lab  ## pin the newest versions that pyproject.toml allows
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		pyproject.toml --group services -o requirements.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		--group ministack -o sandbox/requirements.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		--group test -c requirements.txt -o tests/requirements.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		--group hub -c requirements.txt -o workshop/hub/requirements.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
		--group book -c requirements.txt -c tests/requirements.txt -o docs/requirements.txt
	$(BIN)/python tools/environment_file.py

newest: build/newest  ## run every test with the newest versions, without the lock
oldest: build/oldest  ## run every test with the oldest versions that pyproject.toml allows

build/newest: RESOLUTION := highest
build/oldest: RESOLUTION := lowest-direct
build/newest build/oldest:
	$(PYTHON) -m venv --clear $@
	$@/bin/python -m pip install -q --disable-pip-version-check uv
	$@/bin/uv pip install -q --python $@ --resolution $(RESOLUTION) -e . --group services --group test --group hub --group book
	$@/bin/uv pip install -q --python $@ --resolution $(RESOLUTION) --target $@/ministack --group ministack
	$@/bin/python -m pytest -n 2 --dist loadscope $(TESTS)

clean:  ## remove what was made, the environment included; a class's work, build/hub, stays
	rm -rf .venv build/newest build/oldest build/slides build/lambda build/book* build/*.json dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache notebooks/.ipynb_checkpoints
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/lab: requirements.txt sandbox/requirements.txt pyproject.toml binder/overrides.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11: install a newer one and run: make $(MAKECMDGOALS) PYTHON=python3.14"; exit 1; }
	@rm -rf .venv
	@echo "Setting up .venv: a few seconds"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(UV) pip install -q $(WHEELS) --require-hashes -r requirements.txt || \
		{ echo "$$($(PYTHON) -V) can't be set up. If a package above has no wheel for it yet, take another Python: make $(MAKECMDGOALS) PYTHON=python3.14. Or build that package, which may need a compiler: make $(MAKECMDGOALS) WHEELS="; exit 1; }
	@$(UV) pip install -q $(WHEELS) --require-hashes --target .venv/ministack -r sandbox/requirements.txt
	@$(UV) pip install -q --no-deps -e .
	@$(LEAN)
	@touch $@

.venv/workspaces: .venv/lab binder/workspace.json
	@JUPYTERLAB_WORKSPACES_DIR=$(CURDIR)/$@ $(BIN)/jupyter lab workspaces import binder/workspace.json
	@touch $@

.venv/test: .venv/lab tests/requirements.txt workshop/hub/requirements.txt docs/requirements.txt
	@$(UV) pip install -q --require-hashes -r tests/requirements.txt
	@$(UV) pip install -q --require-hashes -r workshop/hub/requirements.txt
	@$(UV) pip install -q --require-hashes -r docs/requirements.txt
	@$(LEAN)
	@{ command -v npm && $(NPM) .venv/proxy $(PROXY) && $(NPM) .venv/reveal $(REVEAL) && $(NPM) .venv/pyright $(PYRIGHT); } >/dev/null || \
		echo "npm could not install the hub's proxy, reveal.js and pyright: tests of hub, slides and types will skip"
	@touch $@

.venv/book: .venv/lab docs/requirements.txt
	@$(UV) pip install -q $(WHEELS) --require-hashes -r docs/requirements.txt
	@$(LEAN)
	@touch $@

# Learners can't write here, so what Python would keep compiled is compiled now.
.venv/hub: .venv/lab workshop/hub/requirements.txt
	@command -v npm >/dev/null || { echo "The hub's proxy is a Node.js program: install Node.js and npm"; exit 1; }
	@$(UV) pip install -q --require-hashes -r workshop/hub/requirements.txt
	@$(LEAN)
	@$(BIN)/python -m compileall -q -j 0 drills exercises helpers momento_token sandbox .venv/lib .venv/ministack || true
	@$(NPM) .venv/proxy $(PROXY)
	@touch $@

.PHONY: help lab check test again live bench hub class push hub-doctor hub-end slides book lambda outputs lock newest oldest build/newest build/oldest clean
.DEFAULT_GOAL := help
