# The front door. Every rule is plain; `make help` lists them.
VENV := .venv
PYTHON := $(VENV)/bin/python
BUILD := build
NATIVE := stage1/native

.DEFAULT_GOAL := help
.PHONY: help deps venv native images demo check test test-unit test-root test-lab test-vm bench lab-shell format analyze schema dist install clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

deps: ## install the system packages that are missing (Debian; Fedora and Arch by name)
	@.ci/deps

$(VENV)/.stamp: requirements.lock pyproject.toml | deps
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(PYTHON) -m compileall -q stage0 stage1
	touch $@

venv: $(VENV)/.stamp ## Python environment in .venv, pinned by requirements.lock

native: ## the C programs
	@$(MAKE) --no-print-directory -C $(NATIVE)

images: | deps ## build the images of images/ into build/images
	@images/build $(BUILD)/images

demo: venv native ## run a real pod of two apps and a client, visibly
	@images/build $(BUILD)/images web store client
	@docs/demo $(BUILD)

check: venv ## everything that needs no privilege, under a minute
	@$(MAKE) --no-print-directory -C $(NATIVE) WERROR=1
	$(PYTHON) -m pytest -q -n 2 tests/unit tests/golden tests/test_layering.py tests/test_linters.py

test-unit: venv native ## unit and golden tests
	$(PYTHON) -m pytest -q -n 2 tests/unit tests/golden tests/test_layering.py

test-root: venv native images ## tests that need uid 0
	$(PYTHON) -m pytest -q tests/root

test-lab: venv native images ## tests in a really booted systemd host
	$(PYTHON) -m pytest -q tests/lab

test: export HYPOTHESIS_PROFILE ?= whole
test: check analyze native images ## everything, lab included
	$(PYTHON) -m pytest -q tests/root
	$(PYTHON) -m pytest -q tests/lab tests/test_install.py

test-vm: venv native images ## tests on an emulated machine with cgroup v2 and systemd 257
	$(PYTHON) -m pytest -v --no-header -rfEs tests/vm
	POD_VM_LSM=selinux $(PYTHON) -m pytest -v --no-header -rfEs tests/vm

bench: venv native images ## ratios against podman and raw systemd-nspawn
	@$(PYTHON) -m compileall -q stage0 stage1
	$(PYTHON) tests/bench/bench.py
	$(PYTHON) tests/bench/network.py
	@$(PYTHON) -m tests.bench.exposure

lab-shell: venv native ## a shell in a systemd host booted for you
	@tests/lab/shell

format: venv ## write the one format
	$(VENV)/bin/ruff format stage0 stage1 tests
	$(VENV)/bin/ruff check --fix --quiet stage0 stage1 tests

analyze: ## static analysis and sanitizer builds of the C programs
	@$(MAKE) --no-print-directory -C $(NATIVE) analyze

schema: venv ## write the JSON Schemas of pod.json and of manifests
	$(PYTHON) -m stage1.contract.schema
	$(PYTHON) -m stage0.schema

dist: venv native ## sdist and wheel into dist/
	$(PYTHON) -m hatchling build

install: venv native ## put pod, its manual and completions below /usr/local
	ln -sfn $(abspath $(VENV))/bin/pod /usr/local/bin/pod
	install -D -m 644 docs/man/pod.1 /usr/local/share/man/man1/pod.1
	install -D -m 644 unit-templates/host/10-unitpod.conf /usr/local/lib/sysctl.d/10-unitpod.conf
	install -d /usr/local/lib/systemd/system /etc/pod/pods
	/usr/local/bin/pod unit --shared /usr/local/lib/systemd/system
	install -d /usr/local/share/bash-completion/completions /usr/local/share/zsh/site-functions /usr/local/share/fish/vendor_completions.d
	$(VENV)/bin/pod completion bash >/usr/local/share/bash-completion/completions/pod
	$(VENV)/bin/pod completion zsh >/usr/local/share/zsh/site-functions/_pod
	$(VENV)/bin/pod completion fish >/usr/local/share/fish/vendor_completions.d/pod.fish

clean: ## remove what was built
	rm -rf $(BUILD) $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@$(MAKE) --no-print-directory -C $(NATIVE) clean
