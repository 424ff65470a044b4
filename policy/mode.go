package policy

import (
	"slices"
	"strings"
)

// modes in rising order of what they may do.
var modes = []Mode{Observe, Recommend, Approve, Act}

// LeastMode is whichever of the two may do less; an unknown mode counts as
// Observe.
func LeastMode(a, b Mode) Mode {
	return modes[max(0, min(slices.Index(modes, a), slices.Index(modes, b)))]
}

// Group is the target's API group, or empty where only its kind is given.
func (t Target) Group() string {
	group, _, found := strings.Cut(t.APIVersion, "/")
	if !found {
		return ""
	}
	return group
}
