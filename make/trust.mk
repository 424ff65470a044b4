AXE_VERSION ?= 4.10.3
AXE := .cache/axe/node_modules/axe-core/axe.min.js

.PHONY: axe docs-page docs-journal
axe: $(AXE) ## axe-core (MPL-2.0), for the page's accessibility test only
$(AXE):
	npm install --silent --no-audit --no-fund --prefix .cache/axe axe-core@$(AXE_VERSION)

docs-page: $(AXE) ## the screenshots in docs/img, from the demo's decisions
	mkdir -p docs/img .cache
	go build -o .cache/tidetable ./cmd/tidetable
	.cache/tidetable demo --scenario > .cache/demo.yaml
	.cache/tidetable simulate .cache/demo.yaml --serve 127.0.0.1:18479 > .cache/demo.txt 2>&1 & demo=$$!; \
	  trap 'kill -INT $$demo' EXIT; \
	  for i in $$(seq 3000); do grep -q 'the page is at' .cache/demo.txt && break; kill -0 $$demo || { cat .cache/demo.txt; exit 1; }; sleep 0.2; done; \
	  cd test/browser && go test -count 1 -run Screenshots -page-pictures $(CURDIR)/docs/img -page http://127.0.0.1:18479

docs-journal: ## the figures in docs/audit.md: time to verify 100,000 entries, to append one
	go test ./adapters/journal -run '^$$' -bench 'Verify100000|AppendSynced' -benchtime 5x
	go test ./adapters/alertmanager -run '^$$' -bench Webhook -benchtime 3s

.PHONY: monitoring
monitoring: ## the alert rules and the Grafana dashboards, from deploy/monitoring
	go run ./deploy/monitoring -out deploy

.PHONY: chart test-chart
chart: ## the Helm chart's templates, from the kustomize base and overlays
	go run ./deploy/helm/gen -deploy deploy

test-chart: ## helm template and kustomize build give the same objects
	cd test/chart && go test -count=1 ./...

test: test-chart

# Without npm or the network the accessibility test is skipped, and says so.
.PHONY: page-deps
page-deps:
	@command -v npm >/dev/null 2>&1 && $(MAKE) --no-print-directory axe || echo "page-deps: no axe-core; the page's accessibility test will be skipped"

test-deps: page-deps
