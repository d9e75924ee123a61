# The project's chores. `make test` is all a reader needs; `.ci/run` is what guards a commit.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test test-tokenizers test-torch wheel check check-python check-fuzz deny bench coverage nightly fuzz docs

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

PYTHON ?= python3
VENV := $(CARGO_TARGET_DIR)/venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

# Cargo's own tools, built once at these versions into a folder of their own.
BOWSTRING_TOOLS ?= $(CARGO_TARGET_DIR)/tools
MACHETE := $(BOWSTRING_TOOLS)/bin/cargo-machete@0.9.2
DENY := $(BOWSTRING_TOOLS)/bin/cargo-deny@0.20.2
LLVM_COV := $(BOWSTRING_TOOLS)/bin/cargo-llvm-cov@0.9.1
CARGO_FUZZ := $(BOWSTRING_TOOLS)/bin/cargo-fuzz@0.13.2
ADVISORIES := https://github.com/rustsec/advisory-db

BOWSTRING := $(CARGO_TARGET_DIR)/debug/bowstring
WHEELS = $(CARGO_TARGET_DIR)/wheels
PYTEST := pytest -c python/pyproject.toml --rootdir . python/tests docs examples

# The instrumentation of `make fuzz` is in nightly compilers only; nothing else here needs one.
NIGHTLY := nightly-2026-05-20
SECONDS_EACH ?= 60
FUZZ_FEATURES ?= files,tokenizers
FUZZ_TARGETS ?= parquet csv ndjson ipc document graph matrix_market safetensors packed tokenizer encode

# Where `make test-tokenizers` keeps the tokenizers of published models; its texts are beside them.
TOKENIZERS := $(CARGO_TARGET_DIR)/tokenizers
SHARE ?= 20
JOBS ?= 2

# What the demo writes: sections.parquet, ranking.parquet, positions.parquet, report.md, and the report of
# the run.
FOUND := $(CARGO_TARGET_DIR)/demo

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' Makefile

demo: ## build the command, and rank what Debian's packages depend on
	cargo build --workspace --bin bowstring --locked
	@mkdir -p $(FOUND)
	@cd examples/debian-packages && $(BOWSTRING) run workflow.yaml --param out=$(FOUND) > $(FOUND)/run.txt
	@echo; echo "What Debian stands on:"
	@$(BOWSTRING) sql "SELECT depends_on AS package, section, dependants FROM '$(FOUND)/ranking.parquet' \
	    ORDER BY dependants DESC, package LIMIT 8"
	@echo; echo "The largest sections of this extract:"
	@$(BOWSTRING) sql "SELECT section, packages, maintainers, CAST(round(installed_mib) AS bigint) AS installed_mib \
	    FROM '$(FOUND)/sections.parquet' ORDER BY packages DESC LIMIT 4"
	@echo; echo "What leans on what, by PageRank; levels above the C library:"
	@$(BOWSTRING) sql "SELECT package, round(rank, 4) AS rank, level FROM '$(FOUND)/positions.parquet' \
	    ORDER BY rank DESC, package LIMIT 4"
	@$(BOWSTRING) sql "SELECT level, count(*) AS packages FROM '$(FOUND)/positions.parquet' \
	    GROUP BY level ORDER BY level"
	@echo; tail -n 1 $(FOUND)/run.txt
	@echo "All of it: $(FOUND)/report.md, ranking.parquet, sections.parquet, positions.parquet, run.txt"

test: wheel ## build and test everything
	cargo test --workspace --locked
	$(BIN)/$(PYTEST)
	$(PYTHON) -m venv --clear $(VENV)-clean
	$(VENV)-clean/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check $(WHEELS)/*.whl
	$(VENV)-clean/$(notdir $(BIN))/python -c 'import bowstring; print("imported", bowstring.__version__)'
	$(VENV)-clean/$(notdir $(BIN))/bowstring --version

# The texts come from Debian packages, the tokenizers from npm, but for those that are trained here. With
# SHARE=1 each tokenizer is compared on all of it, which takes some hours of the reference's time: digests of
# its answers are kept, so that a second run takes a fraction of that.
test-tokenizers: wheel ## compare ids with Hugging Face's: tokenizers of published models, a part of 190 MB each
	test -x $(VENV)-tokenizers/bin/python || $(PYTHON) -m venv $(VENV)-tokenizers
	$(VENV)-tokenizers/bin/python -m pip install --quiet --disable-pip-version-check \
	    -r python/tests/tokenizer/requirements.txt
	$(VENV)-tokenizers/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall \
	    $(WHEELS)/*.whl
	$(VENV)-tokenizers/bin/python python/tests/tokenizer/fetch.py --out $(TOKENIZERS)
	$(VENV)-tokenizers/bin/python benchmarks/tokenizer/corpora.py --out $(TOKENIZERS)-corpora
	$(VENV)-tokenizers/bin/python benchmarks/tokenizer/train.py --corpora $(TOKENIZERS)-corpora --out $(TOKENIZERS)
	$(VENV)-tokenizers/bin/python python/tests/tokenizer/everything.py --corpora $(TOKENIZERS)-corpora \
	    --tokenizers $(TOKENIZERS) --share $(SHARE) --jobs $(JOBS) --kept $(TOKENIZERS)-answers

# With torch, which nothing else here installs but benchmarks.
test-torch: wheel ## what hooks see of torch modules; the plain networks of the example against torch
	test -x $(VENV)-torch/bin/python || $(PYTHON) -m venv $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install --quiet --disable-pip-version-check \
	    -r python/tests/torch_hooks/requirements.txt $(WHEELS)/*.whl
	$(VENV)-torch/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps \
	    $(WHEELS)/*.whl
	$(VENV)-torch/bin/python -m pytest -c python/pyproject.toml --rootdir . python/tests/torch_hooks

# In the profile of the tests and in their folder, so that the wheel costs little on top of them.
wheel: $(VENV)/ready
	rm -rf $(WHEELS)
	$(BIN)/maturin build --profile dev --locked --quiet --manifest-path python/Cargo.toml \
	    --interpreter $(BIN)/python --out $(WHEELS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl

check: $(MACHETE) deny docs check-python check-fuzz ## formatting, lints, layers, licences, dependencies, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --lib --bins --locked --exclude bowstring-testing -- -D warnings \
	    -D clippy::unwrap_used -D clippy::expect_used -D clippy::panic
	cargo xtask tidy
	cargo xtask deps --check
	$(MACHETE) --with-metadata
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --lib --no-deps --locked

check-python: wheel
	$(BIN)/ruff check --no-cache
	$(BIN)/ruff format --check --no-cache
	$(BIN)/mypy --strict docs examples
	$(BIN)/mypy --strict --package bowstring
	$(BIN)/python -m mypy.stubtest bowstring

# That the targets compile; their running needs a nightly compiler, and one for C++.
check-fuzz:
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --manifest-path fuzz/Cargo.toml --all-targets --no-default-features --features files,tokenizers \
	    --locked -- -D warnings

deny: $(DENY)
	$(DENY) --locked check bans licenses sources
	@if timeout 30 git ls-remote --quiet --exit-code $(ADVISORIES) HEAD >/dev/null 2>&1; then \
	    $(DENY) --locked check advisories; \
	else \
	    echo "advisories: NOT CHECKED, $(ADVISORIES) cannot be reached"; \
	fi

bench: ## run the benchmarks beside their peers; tables go to benchmarks/results/
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt \
	    -r benchmarks/graph/requirements.txt -r benchmarks/tokenizer/requirements.txt
	VIRTUAL_ENV=$(VENV)-bench $(VENV)-bench/bin/maturin develop --release --quiet --manifest-path python/Cargo.toml
	mkdir -p benchmarks/results
	$(VENV)-bench/bin/python benchmarks/workflow/run.py --out benchmarks/results/workflow.md
	$(VENV)-bench/bin/python benchmarks/tables/fused.py --out benchmarks/results/fused.md
	$(VENV)-bench/bin/python benchmarks/graph/run.py --out benchmarks/results/graph.md
	$(VENV)-bench/bin/python benchmarks/graph/pipeline.py --out benchmarks/results/graph-pipeline.md
	$(VENV)-bench/bin/python benchmarks/graph/memory.py --out benchmarks/results/graph-memory.md
	$(VENV)-bench/bin/python benchmarks/graph/python_factors.py --out benchmarks/results/graph-factors.md
	$(VENV)-bench/bin/python python/tests/tokenizer/fetch.py --out $(TOKENIZERS)
	$(VENV)-bench/bin/python benchmarks/tokenizer/corpora.py --out $(TOKENIZERS)-corpora
	$(VENV)-bench/bin/python benchmarks/tokenizer/train.py --corpora $(TOKENIZERS)-corpora --out $(TOKENIZERS)
	$(VENV)-bench/bin/python benchmarks/tokenizer/run.py --corpora $(TOKENIZERS)-corpora \
	    --tokenizers $(TOKENIZERS) --out benchmarks/results/tokenizer.md
	$(VENV)-bench/bin/python benchmarks/tokenizer/parquet.py --corpora $(TOKENIZERS)-corpora \
	    --tokenizers $(TOKENIZERS) --command $(VENV)-bench/bin/bowstring \
	    --out benchmarks/results/tokenizer-parquet.md
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/quant/requirements.txt
	$(VENV)-bench/bin/python benchmarks/quant/run.py --parts errors --out $(CARGO_TARGET_DIR)/quant.json
	$(VENV)-bench/bin/python benchmarks/quant/table.py $(CARGO_TARGET_DIR)/quant.json --out benchmarks/results/quant.md
	$(VENV)-bench/bin/python benchmarks/quant/speed.py --out benchmarks/results/quant-speed.md
	$(VENV)-bench/bin/python benchmarks/quant/memory.py --out benchmarks/results/quant-memory.md
	for network in unet transformer; do \
	    OPENBLAS_NUM_THREADS=1 $(VENV)-bench/bin/python benchmarks/quant/samples.py measure --network $$network \
	        --out $(CARGO_TARGET_DIR)/$$network.jsonl; \
	done
	$(VENV)-bench/bin/python benchmarks/quant/samples.py table $(CARGO_TARGET_DIR)/unet.jsonl \
	    $(CARGO_TARGET_DIR)/transformer.jsonl --out benchmarks/results/quant-samples.md

# The instrumented build has a folder of its own, so that it does not throw away the ordinary one,
# and no information for debuggers, which would take some gigabytes.
coverage: $(LLVM_COV) $(VENV)/ready ## line coverage of the tests; fails below 90 %
	rustup component add llvm-tools
	export CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/coverage CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0; \
	source <($(LLVM_COV) llvm-cov show-env --sh); \
	$(LLVM_COV) llvm-cov clean --workspace; \
	cargo test --workspace --locked; \
	$(MAKE) wheel VENV=$(VENV); \
	$(BIN)/$(PYTEST) --cov=bowstring --cov-report=term --cov-fail-under=90; \
	$(LLVM_COV) llvm-cov report --failure-mode all --summary-only --fail-under-lines 90

nightly:
	@rustup toolchain list 2>/dev/null | grep -q '^$(NIGHTLY)' \
	    || timeout 300 rustup --quiet toolchain install $(NIGHTLY) --profile minimal --no-self-update \
	    || { echo "fuzzing needs Rust's $(NIGHTLY), which rustup could not install" >&2; exit 1; }

# Memory is limited so that an allocation which no input is worth is a find. What was learnt stays in
# fuzz/corpus, and an input that breaks a promise in fuzz/artifacts.
fuzz: nightly $(CARGO_FUZZ) ## fuzz each reader of foreign bytes for SECONDS_EACH (60) seconds
	if [ "$(FUZZ_FEATURES)" = "files,tokenizers" ]; then \
	    cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --example seeds -- fuzz/corpus; \
	fi
	cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --no-default-features --features tokenizers \
	    --example tokenizer_seeds -- fuzz/corpus
	for target in $(FUZZ_TARGETS); do \
	    rustup run $(NIGHTLY) $(CARGO_FUZZ) fuzz run --release --no-default-features \
	        --features libfuzzer,$(FUZZ_FEATURES) \
	        --fuzz-dir fuzz --target-dir $(CARGO_TARGET_DIR)/fuzz $$target -- \
	        -max_total_time=$(SECONDS_EACH) -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 \
	        -max_len=65536 -print_final_stats=1; \
	done

docs: $(VENV)/ready ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/ready: requirements-dev.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(MACHETE) $(DENY) $(LLVM_COV) $(CARGO_FUZZ): $(BOWSTRING_TOOLS)/bin/%:
	cargo install --locked --quiet --root $(BOWSTRING_TOOLS) --target-dir $(CARGO_TARGET_DIR)/tools-build $*
	mv $(BOWSTRING_TOOLS)/bin/$(firstword $(subst @, ,$*)) $@
