# Board Game Café: `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail

# Images are ${REGISTRY}/app, /db and /proxy, tagged with the commit (and -dirty when there is more than it).
REGISTRY ?= boardcafe
RELEASE  ?= $(shell git describe --always --dirty --exclude='*' --abbrev=12)
export REGISTRY RELEASE
# Binaries need no C: what is built here runs from scratch.
export CGO_ENABLED := 0

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: base base-debian base-mysql base-nginx
base: base-debian base-mysql base-nginx ## The base images: pulled, or else made from Debian packages
base-debian base-mysql base-nginx: base-%:
	@infra/images/base/base.sh $*

.PHONY: sweep
sweep: ## Remove what an interrupted test left in Docker
	go run ./tests/cmd/sweep
