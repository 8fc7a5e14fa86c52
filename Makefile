# Everything a newcomer needs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

SETUP := tests/support/setup.sh
CARGO := cargo

.PHONY: help setup build demo test sim mutants fuzz loom soak test-faults bench bench-audio teach vm-test cross reproduce deb release dependencies image image-test lint fmt

help: ## this list
	@echo "callbox: make TARGET"
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building, testing and linting need, only what is missing
	@$(SETUP) build test lint

build: ## the binary: target/debug/callbox
	@$(SETUP) build
	$(CARGO) build --locked

demo: ## box and simulated voice core in one go; needs no sound card, no Pi, no account
	@$(SETUP) build
	$(CARGO) run --locked -- demo $(ARGS)

# Everything is compiled before the first test runs: tests that measure sound
# must not compete with the compiler.
test: ## every test that a machine without a Pi can run
	@$(SETUP) build test
	@echo "== the pure core, without any heavy dependency"
	$(CARGO) test --locked --no-default-features --lib
	@echo "== compiling all tests"
	$(CARGO) test --locked --no-run
	@echo "== all tests; those with real servers, sound and a browser take minutes"
	@CARGO="$(CARGO)" tests/support/run_tests.sh

sim: ## ten thousand boxes for seven days in a simulated world; WORLD_DEVICES, WORLD_DAYS, CALLBOX_SEED
	@$(SETUP) build
	WORLD_DEVICES=$${WORLD_DEVICES:-10000} WORLD_DAYS=$${WORLD_DAYS:-7} \
		$(CARGO) test --locked --release --no-default-features --test world_sim -- --nocapture

mutants: ## changes of the pure core, one at a time, each of which a test must notice; MUTANTS_JOBS
	@$(SETUP) build mutants
	tests/support/mutants.sh $(ARGS)

soak: ## ten thousand calls in one process: memory, descriptors, threads, tasks; SOAK_CALLS, SOAK_MODE
	@$(SETUP) build test faults
	$(CARGO) test --locked --test soak
	.cache/venv-faults/bin/python tests/faults/soak/report.py

test-faults: ## every fault of docs/faults.md with its bound and what is measured, as root; FAULTS_LONG=1, ARGS
	@$(SETUP) build test faults
	$(CARGO) test --locked --no-run
	$(CARGO) test --locked --no-run --test faults
	CARGO="$(CARGO)" .cache/venv-faults/bin/python tests/faults/run.py $(ARGS)

fuzz: ## hostile input led by coverage, each target in turns; FUZZ_SECONDS, FUZZ_TURNS, ARGS="sdp panel"
	@$(SETUP) build fuzz
	tests/fuzz/run.sh $(ARGS)

loom: ## what threads share without a lock, in every order in which two processors may see it
	@$(SETUP) build
	CARGO_TARGET_DIR=target/loom $(CARGO) test --release --manifest-path tests/loom/Cargo.toml

bench: ## the figures that README quotes
	@$(SETUP) build test bench
	$(CARGO) build --locked --release
	$(CARGO) bench --locked
	benches/cost.sh
	benches/peers.sh

bench-audio: ## echo cancelling beside libwebrtc and speexdsp on rooms made from seeds
	@$(SETUP) build test bench
	benches/audio/run.sh $(ARGS)

teach: ## the echo mask's weights anew, from public speech, music and seeds; 70 minutes
	@$(SETUP) build teach
	benches/audio/teach.sh $(ARGS)

vm-test: ## the binary in a throw-away guest with the kernel's own GPIO and sound; ARCH, VM_CHECKS
	@$(SETUP) build vm
	$(CARGO) build --locked --release
	@if [[ "$(ARCH)" == aarch64 ]]; then $(SETUP) cross && image/cross.sh aarch64; fi
	tests/vm/run.sh $(ARCH)

cross: ## the shipped binary for a board, tried out under emulation; ARCH=aarch64, armv7 or x86_64
	@$(SETUP) build cross
	image/cross.sh $(ARCH)

reproduce: ## that binary once more in another folder: the same bytes; ARCH
	@$(SETUP) build cross
	image/reproduce.sh $(ARCH)

deb: ## its Debian package, installed in a throw-away Debian; ARCH=aarch64, armv7 or x86_64
	@$(SETUP) build cross deb
	image/package.sh $(ARCH)

image: ## the card's image and its update bundle; BOARD=rpi or virt, VERSION, CALLBOX_KEYS
	@$(SETUP) image
	@[[ -n "$(CALLBOX_BINARY)" ]] || { $(SETUP) build cross && image/cross.sh aarch64; }
	image/image.sh $(or $(BOARD),rpi) $(VERSION)

image-test: ## the image in QEMU: start, set-up, updates, rollback, data, power cuts, speed; IMAGE_CHECKS
	@$(SETUP) build image vm
	@[[ -n "$(CALLBOX_BINARY)" ]] || { $(SETUP) cross && image/cross.sh aarch64; }
	tests/image/run.sh $(IMAGE_CHECKS)

release: ## binaries, packages, bills of materials, checksums and a signature: CALLBOX_RELEASE_KEY=FILE; ARCHES
	@$(SETUP) build cross deb
	image/release.sh $(ARCHES)

dependencies: ## how many crates a device runs, which twice, and how much `unsafe` is in them
	@$(SETUP) build
	@tests/support/dependencies.py

lint: ## format, clippy, licences and advisories
	@$(SETUP) build lint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --no-default-features --lib -- -D warnings
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test faults --test soak -- -D warnings
	@tests/support/deny.sh

fmt: ## format the source
	$(CARGO) fmt
