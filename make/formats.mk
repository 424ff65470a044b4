# The formats of docs/formats.

.PHONY: docs-formats
docs-formats: ## make the schemas that follow Go types, and the examples, in docs/formats
	go test ./cmd/tidetable -run 'Schema|Example' -count=1 -update-formats
	go test ./cmd/tidetable -run 'Schema|Example' -count=1
