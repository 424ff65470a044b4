package daemon

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

// A loop that cannot be started must be seen: for 35 minutes livez and readyz
// answered 200 beside a policy that nothing served.
func TestReadyzTellsHowManyLoopsShouldRunAndDo(t *testing.T) {
	f := NewFront(FrontConfig{Standby: true}, slog.New(slog.DiscardHandler))
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := ask("/readyz"); code != 200 || !strings.Contains(text, "0 of 0 loops run") {
		t.Errorf("a process that does not lead: %d %s", code, text)
	}
	f.Want(2)
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "none of 2 loops runs") {
		t.Errorf("none of two loops: %d %s", code, text)
	}
	if code, _ := ask("/livez"); code != 200 {
		t.Errorf("livez is %d: a restart would not help", code)
	}
	if code, text := ask("/metrics"); code != 200 || !strings.Contains(text, "tidetable_loops_wanted 2") || !strings.Contains(text, "tidetable_loops_running 0") {
		t.Errorf("the metrics do not tell: %d", code)
	}
}
