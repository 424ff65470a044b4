package main

import (
	"errors"
	"strings"
	"testing"
)

// A server that answers 400 with 5 MB of text made log lines of 10 MB.
func TestLogLinesOfWhatOthersSayAreShort(t *testing.T) {
	var b strings.Builder
	answer := "\x1b[2J" + strings.Repeat("x", 5<<20)
	newLogger(&b, "info").Warn("asking failed: "+answer, "error", errors.New(answer), "topic", answer)
	if n := b.Len(); n > 4000 || strings.Contains(b.String(), `\u001b`) || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("a line of %d bytes: %.200q", n, b.String())
	}
}
