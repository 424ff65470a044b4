package policy

import "testing"

func TestTheSaferOfTwoModesWins(t *testing.T) {
	for _, tt := range []struct{ a, b, want Mode }{
		{Act, Recommend, Recommend}, {Recommend, Act, Recommend}, {Observe, Act, Observe},
		{Act, Act, Act}, {Approve, Act, Approve}, {"Destroy", Act, Observe}, {Act, "", Observe},
	} {
		if got := LeastMode(tt.a, tt.b); got != tt.want {
			t.Errorf("LeastMode(%q, %q) = %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}
