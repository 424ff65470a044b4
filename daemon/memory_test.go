package daemon

import "testing"

func TestTheMemoryLimitIsTheContainers(t *testing.T) {
	for text, want := range map[string]int64{"1073741824\n": 966367641, "max\n": 0, "": 0, "-1": 0} {
		if got := memoryLimit(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
