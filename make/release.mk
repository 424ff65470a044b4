# What is released: static programs, what they are made of, and their sums.
DIST    := dist
VERSION ?= dev
PLATFORMS ?= linux/amd64 linux/arm64

.PHONY: release notice image-digest
release: ## static programs, their CycloneDX documents, licences and sums, in dist/ (VERSION=1.0.0)
	rm -rf $(DIST)
	@for p in $(PLATFORMS); do \
	  d=$(DIST)/tidetable-$(VERSION)-$${p%/*}-$${p#*/}; mkdir -p $$d; echo "== $$d"; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $$d/tidetable ./cmd/tidetable; \
	  go run ./deploy/bom -binary $$d/tidetable -version $(VERSION) -out $$d; \
	  cp LICENSE NOTICE $$d/; \
	done
	cd $(DIST) && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum > SHA256SUMS

notice: ## NOTICE and docs/dependencies.md, from what is linked
	go run ./deploy/bom -notice NOTICE -table docs/dependencies.md

image-digest: ## the digests that deploy/Dockerfile's tags have now (needs the registries and crane or docker)
	@sed -nE 's/^FROM ([^@ ]+)@sha256:[0-9a-f]+.*/\1/p' deploy/Dockerfile | while read -r image; do \
	  if command -v crane >/dev/null; then echo "$$image@$$(crane digest $$image)"; \
	  else docker buildx imagetools inspect $$image --format "$$image@{{.Manifest.Digest}}"; fi; done
