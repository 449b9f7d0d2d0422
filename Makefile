# One profile for everything: a second one would build wasmtime a second time.
CARGO ?= cargo
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help setup test lint unit doc clean

help: ## Show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

setup: ## Find or install what plugins are built with
	@scripts/setup

test: setup lint unit doc ## Format, lints, all tests, plugins built from source

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path tests/hostile/Cargo.toml
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

unit:
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --release --locked --workspace
else
	$(CARGO) test --release --locked --workspace --all-targets
endif

doc:
	$(CARGO) test --release --locked --workspace --doc

clean: ## Remove what was built
	$(CARGO) clean
