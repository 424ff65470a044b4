//go:build !race

package rebalance

// underRace tells that the race detector slows a search down.
const underRace = false
