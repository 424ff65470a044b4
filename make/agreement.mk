# A real day, and what the simulator makes of it.

.PHONY: soak-day
soak-day: testbed-deps ## a day on real parts, scaled ahead and by lag, beside its simulation; writes rows of docs/cluster-results.md and a section of docs/simulation-results.md
	cd test/e2e && GOFLAGS=-mod=mod TIDETABLE_E2E=required TIDETABLE_SOAK=1 go test -count=1 -timeout 17m -run '^TestTheSameDay' -v ./act
