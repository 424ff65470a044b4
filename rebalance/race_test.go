//go:build race

package rebalance

// underRace tells that the race detector slows a search down by a factor of
// twenty to thirty.
const underRace = true
