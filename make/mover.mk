# The mover of rebalance/execute.

.PHONY: soak-mover
soak-mover: testbed-deps ## all of the mover's runs on real brokers; writes docs/mover-results.md (ONLY=regexp for some of them)
	cd test/e2e && TIDETABLE_E2E=required TIDETABLE_SOAK=1 TIDETABLE_MOVER_ONLY='$(ONLY)' go test -count=1 -timeout 3h -run '^TestMoverOnRealBrokers$$' -v .
