// Package execute is the mover: it carries a rebalance.Plan out on a live
// cluster, hurts nobody on the way, and survives anything.
//
// What is decided is decided by pure functions: which step a partition may
// take (judge), which steps fit together (admit), how fast bytes may flow
// (throttle), when it will be over (eta), whether to begin at all (preflight).
// The loop in mover.go and step.go only reads the cluster, asks them, and does
// what they say through the small Kafka port, which package adminclient is on a
// real cluster. What it remembers between two looks has five homes: sight (what
// was seen), docket (what was judged), throttler, meter (how fast it goes) and
// narrator (what was told); what others may know is on the board.
//
// Nothing that matters lives in the process. The plan, the original placement
// and the throttles we own are written to a compacted topic before they take
// effect, and what is in flight is the cluster's own list. A new process reads
// the three and goes on.
package execute
