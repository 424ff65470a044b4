# The loop in a cluster, on the testbed.

.PHONY: soak-act
soak-act: testbed-deps ## every run of mode Act on real parts, the long ones too; writes docs/cluster-results.md
	cd test/e2e && GOFLAGS=-mod=mod TIDETABLE_E2E=required TIDETABLE_SOAK=1 go test -count=1 -timeout 3h -v ./act

.PHONY: soak-layouts
soak-layouts: testbed-deps ## the short day on clusters of other layouts; writes the matrix of docs/cluster-results.md (LAYOUT=regexp for some)
	cd test/e2e && GOFLAGS=-mod=mod TIDETABLE_E2E=required TIDETABLE_SOAK=1 go test -count=1 -timeout 2h -run '^TestOtherPeoplesClusters/$(LAYOUT)' -v ./act

.PHONY: hot-first
hot-first: build ## what the first, small plan of a late scale-out is worth: ten brokers join a hundred
	python3 make/hot_first.py $(SHARED) $(BIN)
