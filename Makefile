# The project's chores. `make test` is all a reader needs; `.ci/run` is what guards a commit.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test check bench coverage docs

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
# Cargo's own tools, built once at these versions into a folder of their own.
BOWSTRING_TOOLS ?= $(CARGO_TARGET_DIR)/tools
MACHETE := $(BOWSTRING_TOOLS)/bin/cargo-machete-0.9.2

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-10s %s\n", $$1, $$2}' Makefile

test: ## build and test everything
	cargo test --workspace --locked

check: $(MACHETE) ## formatting, lints, layers, unused dependencies, rustdoc
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --lib --bins --locked --exclude bowstring-testing -- -D warnings \
	    -D clippy::unwrap_used -D clippy::expect_used -D clippy::panic
	cargo xtask tidy
	$(MACHETE)
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

$(BOWSTRING_TOOLS)/bin/cargo-machete-%:
	cargo install --locked --quiet --version $* --root $(BOWSTRING_TOOLS) --target-dir $(CARGO_TARGET_DIR)/tools-build cargo-machete
	mv $(BOWSTRING_TOOLS)/bin/cargo-machete $@
