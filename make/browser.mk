# The page and the report in a real Chromium.

.PHONY: test-browser
test-browser: ## the tests that need Chromium, in a module of their own
	cd test/browser && go vet ./... && go test -count=1 -timeout 30m ./...

test: test-browser
