# One profile for everything: a second one would build wasmtime a second time.
CARGO ?= cargo
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
WORKFLOW := target/release/workflow
PLUGINS := $(wildcard plugins/*/*/Cargo.toml tests/contract/*/Cargo.toml) tests/hostile/Cargo.toml

# CPython as a component is no part of the program; see docs/plugins/scripts.md.
DIST := target/dist

.PHONY: help run build install setup programs plugins release test lint unit doc docs large soak fuzz bench pictures clean

help: ## Show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

run: build ## Build everything, run the first example, look at it
	@$(WORKFLOW) run examples/weather-report.yaml
	@echo
	@$(WORKFLOW) execution inspect last
	@echo
	@echo "The report is examples/out/weather.md. Next: $(WORKFLOW) --help"

build: setup ## Build target/release/workflow, with the plugins in it
	@# The whole workspace, as the tests build it: fewer members would mean other features, and wasmtime a second time.
	@$(CARGO) build --release --locked --workspace

install: build ## Put workflow into ~/.cargo/bin
	@install -D $(WORKFLOW) "$${CARGO_HOME:-$$HOME/.cargo}/bin/workflow"
	@echo "installed $${CARGO_HOME:-$$HOME/.cargo}/bin/workflow"

setup: ## Find or install what plugins are built with
	@scripts/setup

programs: setup
	@scripts/programs target/programs

plugins: ## Build the plugins that are not in the program: core/script.python, into target/dist
	@scripts/python $(DIST)
	@echo "$(DIST)/core-script-python.wasm: take it by '$(WORKFLOW) plugin install', or name the folder in plugins.directories"

release: build plugins ## Pack the program and core/script.python into target/dist, with their digests
	@scripts/release $(WORKFLOW) $(DIST)/core-script-python.wasm $(DIST)

test: setup programs lint build unit doc ## Format, lints, all tests, plugins built from source

lint:
	$(CARGO) fmt --all --check
	@for manifest in $(PLUGINS); do $(CARGO) fmt --check --manifest-path $$manifest || exit 1; done
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

unit:
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --release --locked --workspace
else
	$(CARGO) test --release --locked --workspace --all-targets
endif

doc:
	$(CARGO) test --release --locked --workspace --doc --features autokestra-sdk/v1_1
	@# Those of the crates that are published; what they are built from was checked by clippy.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps --package autokestra-sdk --package autokestra-sdk-macros

docs: build ## Write the pages of docs/ that are made of the program anew
	UPDATE_DOCS=1 $(CARGO) test --release --locked --workspace -- --test-threads=1 every_command_has_a_page docs::made docs::errors::the_index the_documents_diagram

soak: build ## Kill executions at random instants, many times
	CRASH_SEEDS=$(or $(SEEDS),0..200) $(CARGO) test --release --locked --workspace --test all crash -- --nocapture

large: build ## Read, write, pack and unpack files of 1 GB, and see that they take no more memory than small ones
	LARGE_MEBIBYTES=$(or $(MEBIBYTES),1024) $(CARGO) test --release --locked --workspace --test all large:: -- --nocapture --test-threads=1

fuzz: build ## Feed random input to everything that strangers write
	FUZZ_SECONDS=$(or $(SECONDS),60) $(CARGO) test --release --locked --workspace --lib --bins --tests fuzz::

bench: build plugins ## Measure against floors of the same run
	$(CARGO) bench --locked --workspace --bench '*'

pictures: build ## Make docs/pictures anew, by running the program on a terminal
	PICTURES=write $(CARGO) test --release --locked --workspace --test all pictures::pictures_are_made

clean: ## Remove what was built
	$(CARGO) clean
