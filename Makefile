# Board Game Café: `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail

# Images are ${REGISTRY}/app, /db and /proxy, tagged with the commit (and -dirty when there is more than it).
REGISTRY ?= boardcafe
RELEASE  ?= $(shell git describe --always --dirty --exclude='*' --abbrev=12)
export REGISTRY RELEASE
# Binaries need no C: what is built here runs from scratch.
export CGO_ENABLED := 0
# The Go of go.mod's toolchain line, downloaded where this one is older. Debian and the golang images say "local".
export GOTOOLCHAIN := auto
# The embedded database of `make run` without a C library for regular expressions.
export GOFLAGS := $(shell go env GOFLAGS 2>/dev/null) -tags=gms_pure_go

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- No machine

.PHONY: run
run: ## The café to try, on http://localhost:8080: embedded database, sample data, no Docker (HTTP_PORT=)
	@go build -o build/cafe-demo ./app/cmd/cafe-demo
	@exec build/cafe-demo -addr 127.0.0.1:$(HTTP_PORT)

# ---- One machine

# Where `make up` answers. HTTP_BIND=0.0.0.0 opens it to the network.
HTTP_BIND ?= 127.0.0.1
HTTP_PORT ?= 8080
COMPOSE_PROJECT_NAME ?= boardcafe
export HTTP_BIND HTTP_PORT COMPOSE_PROJECT_NAME
# The plugin where there is one, else the older program; asked only where it is used.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: setup
setup: ## Install what is missing of Docker, Compose and mmdebstrap (Debian, Ubuntu; as root)
	@infra/setup.sh docker compose mmdebstrap

.PHONY: up
up: need-compose images ## The café in three containers on http://localhost:8080 (HTTP_PORT=, HTTP_BIND=)
	@COMPOSE="$(COMPOSE)" infra/up.sh

.PHONY: down
down: need-compose ## Stop it; the data stays
	@$(COMPOSE) -f infra/compose.yaml down

.PHONY: mysql backup
mysql: need-compose ## The database's own client, as root; make mysql < cafe.sql brings a backup back
	@$(COMPOSE) -f infra/compose.yaml exec $$([[ -t 0 ]] || echo -T) db mysql cafe
backup: need-compose ## Print the database as SQL: make backup > cafe.sql
	@$(COMPOSE) -f infra/compose.yaml exec -T db \
		mysqldump --single-transaction --set-gtid-purged=OFF --add-drop-database --databases cafe

.PHONY: destroy
destroy: need-compose ## Stop it and remove its data and secrets
	@$(COMPOSE) -f infra/compose.yaml down --volumes
	@rm -rf infra/secrets

# ---- Images

.PHONY: images
images: need-go need-docker base-mysql base-nginx build/app/cafe ## Build the three images, tagged with the commit
	@infra/images/build.sh $(REGISTRY)/app:$(RELEASE) infra/images/app build/app
	@infra/images/build.sh $(REGISTRY)/db:$(RELEASE) infra/images/db infra/images/db boardcafe/base-mysql:9.7
	@infra/images/build.sh $(REGISTRY)/proxy:$(RELEASE) infra/images/proxy infra/images/proxy boardcafe/base-nginx:1.30

.PHONY: release
release: need-go ## The name of this release: the commit that the images are tagged with
	@echo $(RELEASE)

.PHONY: push
push: images ## Push them to REGISTRY=
	@for name in app db proxy; do docker push $(REGISTRY)/$$name:$(RELEASE); done

# ---- Several machines

.PHONY: rollout
rollout: build/rollout ## Build the deploy helper, build/rollout
	@echo 'build/rollout is built. To call it as rollout, type: export PATH="$$PWD/build:$$PATH"'

# The manager of the swarm (ssh://deploy@manager), and where each machine answers; http://HOST ... with spaces between.
DEPLOY_HOST ?=
URLS ?=
# Several, with spaces between: STACK_FILES="docker-stack.yml docker-stack.tls.yml" is the café with TLS.
STACK_FILES ?= docker-stack.yml
# What smoke signs in as. The password is in a file: a command line is everybody's to read.
SMOKE_NAME ?= smoke
SMOKE_PASSWORD_FILE ?=
# The name in the café's certificate, where URLS are addresses and http leads to https.
TLS_NAME ?=

# Another rollout is waited for. With DEPLOY_KEY=FILE ssh uses that key, else those that you have.
.PHONY: deploy
deploy: need-target build/rollout ## Bring what was pushed to REGISTRY= to the swarm at DEPLOY_HOST=, and probe it at URLS=
	@$(if $(DEPLOY_KEY),ssh-agent bash -c 'ssh-add -q "$$DEPLOY_KEY" && exec "$$@"' deploy) \
		build/rollout deploy --host "$(DEPLOY_HOST)" --prune --yes --lock-wait 15m --progress plain \
		$(STACK_FILES:%=--file %) $(URLS:%=--probe %)

.PHONY: smoke
smoke: need-go need-target ## Sign in, create, read and delete at each of URLS= (SMOKE_NAME=, SMOKE_PASSWORD_FILE=)
	@go run ./tests/cmd/smoke --release "$(RELEASE)" --name "$(SMOKE_NAME)" --password-file "$(SMOKE_PASSWORD_FILE)" --tls-name "$(TLS_NAME)" $(URLS)

.PHONY: need-target
need-target:
	@[[ -n "$(DEPLOY_HOST)" ]] || { echo "Which swarm? Say DEPLOY_HOST=ssh://deploy@MANAGER." >&2; exit 1; }
	@[[ -n "$(URLS)" ]] || { echo "Where does the café answer? Say URLS=\"http://MANAGER http://WORKER\", each machine." >&2; exit 1; }

# Go knows best what has changed.
.PHONY: build/rollout build/app/cafe
build/rollout: need-go
	@go build -o $@ ./infra/cmd/rollout
# The image must run on the engine's system, whatever this one is.
build/app/cafe: need-go
	@GOOS=linux go build -trimpath -ldflags "-s -w -X main.release=$(RELEASE)" -o $@ ./app/cmd/cafe
	@chmod 755 $@ # whatever the umask: in the image it is another user who runs it

.PHONY: base base-debian base-mysql base-nginx
base: base-debian base-mysql base-nginx ## The base images: pulled, or else made from Debian packages
base-debian base-mysql base-nginx: base-%: need-docker
	@infra/images/base/base.sh $*

# Chromium, linters and a load generator, in one image that is built once for each state of its folder.
TOOLBOX = boardcafe/toolbox:$(shell LC_ALL=C; cat infra/images/toolbox/* | sha256sum | cut -c1-12)
.PHONY: toolbox
toolbox: need-docker ## The image with the tools that tests and linters need
	@docker image inspect $(TOOLBOX) >/dev/null 2>&1 || { \
		$(MAKE) --no-print-directory base-debian; \
		echo "Building the toolbox $(TOOLBOX), once: some minutes"; \
		infra/images/build.sh $(TOOLBOX) infra/images/toolbox infra/images/toolbox boardcafe/base-debian:12; }

# What a machine lacks is installed where that can be done, else it is said in one line.
.PHONY: need-go need-docker need-compose
need-go:
	@command -v go >/dev/null || { echo "Go is missing. Install it (1.26 or newer): https://go.dev/dl/" >&2; exit 1; }
	@[[ -n "$(RELEASE)" ]] || { echo "git is missing, or this is no clone: images are tagged with the commit. Set RELEASE= otherwise." >&2; exit 1; }
need-docker:
	@infra/setup.sh docker
need-compose:
	@infra/setup.sh docker compose

# What tests need, side by side: the toolbox takes as long as all the rest.
.PHONY: built
built:
	@$(MAKE) --no-print-directory --jobs 3 toolbox images

.PHONY: clean
clean: ## Remove the images and files that this project built
	@docker image ls --quiet 'boardcafe/*' | sort --unique | xargs --no-run-if-empty docker image rm --force >/dev/null
	@rm -rf build

# ---- Tests

.PHONY: lab lab-down
lab: built ## Three bare machines, provisioned by Ansible, with the café on them; prints their addresses
	@go run ./tests/cmd/lab up
lab-down: need-go need-docker ## Remove them
	@go run ./tests/cmd/lab down

# One package at a time: each has two sets of machines at once already (tests/README.md), and a release under load
# must not wait for a playbook. CLUSTER_REUSE=1 keeps the machines for the next run.
CLUSTER_TESTS ?= ./tests/lab/... ./tests/cluster/...
.PHONY: test-cluster
test-cluster: built ## The tests on three machines: provisioning, rollouts, faults
	@go run ./tests/cmd/sweep
	@trap '[[ -n "$${CLUSTER_REUSE-}" ]] || go run ./tests/cmd/sweep' EXIT; \
		$(GOTESTSUM) --format standard-verbose -- -count=1 -p 1 -timeout 60m $(CLUSTER_TESTS)

# ---- Checks

LINT = TOOLBOX=$(TOOLBOX) COMPOSE="$(COMPOSE)" infra/lint.sh
LINTERS ?= lint-go lint-shell lint-yaml lint-ansible lint-containers
.PHONY: lint lint-go lint-shell lint-yaml lint-ansible lint-containers
lint: ## Every linter; Go's while the toolbox for the others is built
	@$(MAKE) --no-print-directory --jobs 2 $(LINTERS)
lint-go: need-go
lint-shell lint-yaml lint-ansible: toolbox
lint-containers: need-go need-compose
lint-go lint-shell lint-yaml lint-ansible lint-containers: lint-%:
	@$(LINT) $*

.PHONY: hooks lint-staged
hooks: ## Have git run lint-staged before each commit
	@git config core.hooksPath infra/hooks
lint-staged: need-go ## The quick linters over what the next commit changes
	@$(LINT) --staged go shell yaml

# Each package starts the containers that it needs, and two run at once. What one leaves behind after a
# kill is swept before and after.
TESTS ?= $(shell go list ./... | grep -v -e /tests/cluster -e /tests/lab -e /tests/bench)
COVER = $(CURDIR)/build/cover
MIN_COVERAGE ?= 85
# Runs go test, prints what fails and writes JUnit's XML, which Jenkins shows.
GOTESTSUM = go tool gotestsum --format-hide-empty-pkg --hide-summary skipped --junitfile build/junit/$@.xml
.PHONY: test
test: built ## Every test but the cluster's: unit, integration on a real MySQL, browser; prints the coverage
	@go run ./tests/cmd/sweep
	@rm -rf $(COVER) && mkdir -p $(COVER)
	@trap 'go run ./tests/cmd/sweep' EXIT; export PROCESS_COVER=$(COVER); \
		$(GOTESTSUM) --format pkgname-and-test-fails -- -count=1 -p 2 -timeout 20m -coverpkg=./app/...,./infra/... \
			$(TESTS) -args -test.gocoverdir=$(COVER)
	@go tool covdata textfmt -i=$(COVER) -o build/cover-all.out
	@grep -v /swarmtest/ build/cover-all.out >build/cover.out # a harness of tests is not what they cover
	@go tool cover -func build/cover.out > build/coverage.txt
	@awk '/^total:/ { print "Coverage of app and infra: " $$3 " of statements (at least $(MIN_COVERAGE)% is asked for)"; exit $$3 + 0 < $(MIN_COVERAGE) }' build/coverage.txt

.PHONY: bench
bench: images ## The index over 100 games and 1,000 customers, over 10,000 and 100,000, and under guesses; sizes and speeds; rollout
	@go test -count=1 -run '^$$' -bench Index -benchtime 300x -timeout 20m ./tests/bench
	@go test -count=1 -run '^$$' -bench Guesses -benchtime 10x -timeout 20m ./tests/bench
	@trap '[[ -n "$${CLUSTER_REUSE-}" ]] || go run ./tests/cmd/sweep' EXIT; \
		go test -count=1 -run '^$$' -bench . -benchtime 5x -timeout 20m ./tests/bench/rollout
	@go test -count=1 -run TestFigures -v ./tests/faults | grep figures_test

# The Jenkinsfile has the same stages in the same order: tests/pipeline compares. Without a target it ends after the tests.
STAGES ?= lint test test-cluster $(if $(DEPLOY_HOST),images push deploy smoke)
.PHONY: ci
ci: ## What Jenkins runs, in its order (STAGES=; with DEPLOY_HOST=, REGISTRY= and URLS= up to the smoke test)
	@for stage in $(STAGES); do infra/stage.sh $$stage; done

.PHONY: diagram
diagram: images ## Draw docs/er.md anew, from the schema in a real MySQL
	@go test -count=1 ./tests/schema -run TestTheDiagram -update

.PHONY: sweep
sweep: ## Remove what an interrupted test left in Docker
	go run ./tests/cmd/sweep
