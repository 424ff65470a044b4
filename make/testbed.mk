# The testbed of test/e2e: real Kafka, Prometheus and Kubernetes parts.

.PHONY: testbed-deps
testbed-deps: ## install what the testbed runs (Debian packages, Maven artifacts)
	@test/e2e/deps.sh

.PHONY: e2e
e2e: testbed-deps ## run the end-to-end tests on the testbed
	test/e2e/run.sh

.PHONY: soak
soak: testbed-deps ## run every end-to-end test, the long ones too
	TIDETABLE_SOAK=1 E2E_TIMEOUT=4h test/e2e/run.sh -v

.PHONY: testbed
testbed: testbed-deps ## bring the testbed up to play with; Ctrl-C ends it
	cd test/e2e && go run ./cmd/testbed
