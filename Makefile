# Every target does its own set-up; on a fresh machine `make serve` serves a real model and `make test` passes.

MODEL ?= $(shell tools/fetch-model.sh)
PORT ?= 8000
SWIFT ?= swift
BINARY := .build/release/pagoda
CACHE := $(or $(PAGODA_CACHE),$(HOME)/.cache/pagoda)

# Suites that load real models keep both cores busy; tests of deadlines run without them.
HEAVY := 'EndToEndTests|ReferenceModeTests'

# A build of its own: the ordinary one links no MPI.
MPI_BUILD := .build-mpi

.PHONY: help build build-mpi serve test test-arm test-deploy test-ha test-image test-mpi test-systemd image bench bench-peers
.PHONY: format lint

help: ## Print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

build: ## Build the release binary, .build/release/pagoda
	tools/static-libraries.sh
	$(SWIFT) build -c release --product pagoda

build-mpi: ## Build the binary with MPI, .build-mpi/release/pagoda, for mpirun (installs Debian's Open MPI)
	tools/open-mpi.sh
	tools/static-libraries.sh
	$(SWIFT) build -c release --scratch-path $(MPI_BUILD) --traits MPI --product pagoda

image: build ## Make the OCI image, its contents and bill of materials in .build/image, without a container engine
	tools/image.sh

serve: build ## Serve a model on port 8000 (MODEL=path for another, PORT=n)
	$(BINARY) serve "$(MODEL)" --port $(PORT)

test: ## Fetch what the tests need, build and run them all
	tools/stage.sh "model" tools/fetch-model.sh
	tools/stage.sh "larger model" tools/fetch-model.sh qwen-0.5b
	tools/stage.sh "template and vocabulary corpus" tools/fetch-template-corpus.sh
	tools/stage.sh "python client" tools/python-client.sh
	tools/stage.sh "prometheus" tools/fetch-prometheus.sh
	tools/stage.sh "nginx" tools/fetch-nginx.sh
	tools/static-libraries.sh
	tools/stage.sh "build" $(SWIFT) build -c release --build-tests
	tools/stage.sh "tests" $(SWIFT) test -c release --skip-build --no-parallel --skip $(HEAVY)
	tools/stage.sh "tests with real models" $(SWIFT) test -c release --skip-build --no-parallel --filter $(HEAVY)

test-arm: ## Test the C kernels here and, emulated, on Arm
	tools/stage.sh "kernels on Arm" tools/test-arm.sh

test-image: image ## Run the image's program from its unpacked root, read-only and without rights (as root)
	tools/stage.sh "bill of materials" sh -c '"$$(tools/spdx-tools.sh)" --infile .build/image/pagoda-*.spdx.json'
	tools/stage.sh "image" python3 tools/test-image.py .build/image "$$(tools/fetch-model.sh)"

test-systemd: build ## Check the systemd unit, and run its command line (as root)
	tools/stage.sh "systemd" python3 tools/test-systemd.py $(BINARY) "$$(tools/fetch-model.sh)"

test-ha: build ## Two Prometheus and two Alertmanagers beside a real server: alerts come once, whichever is killed
	tools/stage.sh "prometheus" tools/fetch-prometheus.sh
	tools/stage.sh "monitoring in pairs" python3 tools/ha-check.py $(BINARY) "$$(tools/fetch-model.sh)"

test-deploy: ## Build every Kubernetes overlay and check deploy/ against the published schemas
	tools/stage.sh "deployment" tools/check-deployment.sh

test-mpi: build-mpi ## Test tensor parallelism over processes: tokens of 20 prompts, lost ranks
	tools/stage.sh "MPI" python3 tools/test-mpi.py $(MPI_BUILD)/release/pagoda \
		"$$(tools/fetch-model.sh)" "$$(tools/fetch-model.sh qwen-0.5b)"

bench: build ## Measure decode and prefill beside the machine's limits
	tools/bench-peers.sh --alone "$(MODEL)"

bench-peers: build ## Measure in turn with llama.cpp, which is built the first time (PEERS_LLAMA=folder of its programs)
	tools/bench-peers.sh "$(MODEL)"

format: ## Format all Swift files
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

lint: ## Check the formatting rules
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests
