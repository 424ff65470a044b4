# The testbed of test/e2e: real Kafka, Prometheus and Kubernetes parts.

.PHONY: testbed-deps
testbed-deps: ## install what the testbed runs (Debian packages, Maven artifacts)
	@test/e2e/deps.sh

.PHONY: e2e
e2e: testbed-deps ## run the end-to-end tests on the testbed
	cd test/e2e && TIDETABLE_E2E=required go test -count=1 -p 1 -timeout 40m ./...

.PHONY: soak
soak: testbed-deps ## run every end-to-end test, the long ones too
	cd test/e2e && TIDETABLE_E2E=required TIDETABLE_SOAK=1 go test -count=1 -p 1 -timeout 4h -v ./...

.PHONY: testbed
testbed: testbed-deps ## bring the testbed up to play with; Ctrl-C ends it
	cd test/e2e && go run ./cmd/testbed
