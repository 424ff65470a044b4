package adminclient

import (
	"testing"
	"time"
)

// promptly fails when f waits for what never comes. It asserts no time: what
// it tells apart is an answer and none.
func promptly(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s waits for a broker that never answers", what)
	}
}
