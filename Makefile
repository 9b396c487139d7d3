PYTHON ?= python3
BIN    := .venv/bin
SET_UP := "$(PYTHON)" tools/set_up.py
LOCK   := $(SET_UP) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade
APART  := $(SET_UP) uv pip install -q --no-deps --require-hashes --python .venv --target
NPM    := npm install --silent --no-fund --no-audit --prefix
PROXY  := configurable-http-proxy@5.3.0
REVEAL := reveal.js@5.2.1
PYRIGHT := pyright@1.1.414
# The Pyodide that the kernel of a browser tab is made for, as its extension says; so that both always move together.
PYODIDE = pyodide@$$(grep -rhoE 'pyodide/v[0-9.]+' --include=*.js $(1)/browser/share | head -1 | cut -dv -f2)
# A shell may say where Python and Jupyter look for things. Nothing here inherits that; tools/set_up.py does the same.
unexport $(filter-out PYTHON,$(filter PYTHON% JUPYTER% IPYTHON% VIRTUAL_ENV CONDA_PREFIX MPLBACKEND,$(.VARIABLES)))

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

lab: .venv/lab  ## open JupyterLab on work/, your copy of the notebooks; OPTIONS=--no-browser
	@$(BIN)/python tools/lab.py $(OPTIONS)

fresh:  ## a fresh copy of a notebook, yours kept beside it: make fresh NOTEBOOK=03, or =all
	@"$(PYTHON)" tools/working_copy.py --fresh $(NOTEBOOK)

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
live: .venv/lab  ## run notebook 10 on your own accounts, into build/live.json: it asks first
	@$(BIN)/python tools/go_live.py $(if $(YES),--yes)

trials: .venv/lab  ## try a service, in any language, a minute: make trials CMD="node visits.js"
	@$(BIN)/python tools/try_service.py "$$CMD" --junit build/trials.xml

rules: .venv/rules  ## look for the mistakes of these notebooks in the code of a service: make rules AT=../my-service
	@test -n "$(AT)" || { echo "Say where the service is: make rules AT=../my-service"; exit 1; }
	@cd "$(AT)" && "$(CURDIR)/.venv/rules/bin/ast-grep" scan --no-ignore hidden --config "$(CURDIR)/rules/sgconfig.yml"

bench: .venv/lab  ## measure the ways to read a secret side by side, into build/bench.json
	$(BIN)/python tools/bench.py

hub: .venv/hub/compiled  ## for a teacher: a hub for a class, and slips with its accounts: make hub LEARNERS=20
	@$(BIN)/python workshop/hub/accounts.py hub $(OPTIONS)

push: .venv/hub/compiled  ## for a teacher: corrected notebooks to all; NOTEBOOK=03 anew, LEARNER=class-07 to one
	@$(BIN)/python workshop/hub/accounts.py push

hub-end: .venv/hub/compiled  ## for a teacher: the class is over; remove the accounts with all that learners wrote
	@$(BIN)/python workshop/hub/accounts.py end

class: .venv/hub/compiled  ## measure a class at once on this machine: make class LEARNERS=20
	@PYTHONPATH=.venv/hub $(BIN)/python workshop/hub/measure.py $(or $(LEARNERS),20)

slides: .venv/lab  ## slides of the workshop and questions to print, as offline HTML, into build/slides
	@command -v npm >/dev/null || { echo "Slides are shown by reveal.js: install Node.js and npm"; exit 1; }
	@$(NPM) .venv/reveal $(REVEAL)
	$(BIN)/python workshop/make_slides.py

screenshot: .venv/test  ## the picture in the README, taken of notebook 02 as it is stored
	$(BIN)/python tools/screenshot.py

book: .venv/book .venv/browser  ## the web book from the stored outputs, and the browser tab that runs its core: a static site in build/book
	$(BIN)/python docs/make_book.py
	$(BIN)/python browser/build.py

browser: .venv/browser  ## of this only the browser tab, in build/book/try
	$(BIN)/python browser/build.py

lambda: .venv/lab  ## pack the two Lambda functions for AWS, into build/lambda; deploy/ has the templates
	$(BIN)/python deploy/make_zips.py

outputs: .venv/lab .venv/rules  ## run all notebooks and rewrite their stored outputs
	$(BIN)/jupyter nbconvert --to notebook --inplace --config tests/outputs_config.py notebooks/*.ipynb notebooks/deeper/*.ipynb

lock: .venv/lab  ## pin the newest versions that pyproject.toml allows
	$(LOCK) pyproject.toml --group services -o requirements.txt
	$(LOCK) $(foreach one,botocore jmespath python-dateutil six urllib3,--no-emit-package $(one)) --group ministack -o sandbox/requirements.txt
	$(LOCK) --group test -c requirements.txt -o tests/requirements.txt
	$(LOCK) $(foreach one,botocore jmespath python-dateutil pyyaml s3transfer six urllib3,--no-emit-package $(one)) --group aws-cli -c requirements.txt -o tests/aws_cli/requirements.txt
	$(LOCK) --no-emit-package rfc3987-syntax --group hub -c requirements.txt -o workshop/hub/requirements.txt
	$(LOCK) --group book -c requirements.txt -c tests/requirements.txt -o docs/requirements.txt
	$(LOCK) $(foreach one,jupyter-core platformdirs pycparser traitlets,--no-emit-package $(one)) --group browser -c requirements.txt -o browser/requirements.txt
	$(LOCK) --group rules -o rules/requirements.txt
	$(BIN)/python tools/environment_file.py

address:  ## write the repository's address everywhere: make address REPOSITORY=owner/name
	@"$(PYTHON)" tools/address.py $(REPOSITORY)

newest: build/newest  ## run every test with the newest versions, without the lock
oldest: build/oldest  ## run every test with the oldest versions that pyproject.toml allows

build/newest: RESOLUTION := highest
build/oldest: RESOLUTION := lowest-direct
build/newest build/oldest: .venv/lab
	$(BIN)/python -m venv --clear $@
	$(SET_UP) uv pip install -q --python $@ --resolution $(RESOLUTION) -e . --group services --group test --group book
	$(SET_UP) uv pip install -q --python $@ --resolution $(RESOLUTION) --target $@/ministack --group ministack
	$(SET_UP) uv pip install -q --python $@ --resolution $(RESOLUTION) --target $@/browser --group browser
	$(SET_UP) uv pip install -q --python $@ --resolution $(RESOLUTION) --target $@/hub --group hub
	$(SET_UP) uv pip install -q --python $@ --resolution $(RESOLUTION) --target $@/rules --group rules
	$(NPM) $@/pyodide $(call PYODIDE,$@)
	$@/bin/python -m pytest -n 2 --dist loadscope $(TESTS)

clean:  ## remove what was made, the environment included; work/ and a class's build/hub stay
	rm -rf .venv build/newest build/oldest build/slides build/lambda build/book* build/*.json dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache notebooks/.ipynb_checkpoints
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# It looks each time whether what is there still works, and touches nothing if it does.
.venv/lab: FORCE
	@$(SET_UP)

.venv/test: .venv/lab tests/requirements.txt tests/aws_cli/requirements.txt workshop/hub/requirements.txt docs/requirements.txt browser/requirements.txt .venv/rules
	@$(SET_UP) tests docs
	@$(APART) .venv/aws_cli -r tests/aws_cli/requirements.txt
	@$(APART) .venv/hub -r workshop/hub/requirements.txt
	@$(APART) .venv/browser -r browser/requirements.txt
	@{ command -v npm && $(NPM) .venv/proxy $(PROXY) && $(NPM) .venv/reveal $(REVEAL) && $(NPM) .venv/pyright $(PYRIGHT) && \
		$(NPM) .venv/pyodide $(call PYODIDE,.venv); } >/dev/null || \
		echo "npm could not install the hub's proxy, reveal.js, pyright and Pyodide: tests of hub, slides, types and tab will skip"
	@touch $@

.venv/book: .venv/lab docs/requirements.txt
	@$(SET_UP) docs
	@touch $@

# In a folder of its own: JupyterLab would load the kernel's extension, and lacks what that needs.
.venv/browser: .venv/lab browser/requirements.txt
	@command -v npm >/dev/null || { echo "Python in a browser tab is Pyodide, a package of npm's: install Node.js and npm"; exit 1; }
	@$(APART) $@ -r browser/requirements.txt
	@$(NPM) .venv/pyodide $(call PYODIDE,.venv)
	@touch $@

# In a folder of its own: it has 51 MB.
.venv/rules: .venv/lab rules/requirements.txt
	@$(APART) $@ -r rules/requirements.txt
	@touch $@

# In a folder of its own: `make lab` would load its extension. Learners can't write here, so what Python would keep
# compiled is compiled now, once for all; `.venv/test` makes the folder without that.
.venv/hub/compiled: .venv/lab .venv/rules workshop/hub/requirements.txt
	@command -v npm >/dev/null || { echo "The hub's proxy is a Node.js program: install Node.js and npm"; exit 1; }
	@$(APART) $(@D) -r workshop/hub/requirements.txt
	@$(BIN)/python -m compileall -q -j 0 drills exercises helpers momento_token sandbox .venv/lib .venv/ministack $(@D) || true
	@$(NPM) .venv/proxy $(PROXY)
	@touch $@

FORCE:

.PHONY: FORCE help lab fresh address check test again live trials rules bench hub push hub-end class slides screenshot book browser lambda outputs lock newest oldest build/newest build/oldest clean
.DEFAULT_GOAL := help
