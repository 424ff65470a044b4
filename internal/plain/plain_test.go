package plain

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextFromOutsideIsShortAndSteersNothing(t *testing.T) {
	for in, want := range map[string]string{
		"orders":                       "orders",
		"a\x1b[2Jb\r\nc\x00d":          "a [2Jb c d",
		"right \u202eto left":          "right to left",
		"\xff\xfe":                     "\uFFFD",
		"  two\twords \u0085 ":         "two words",
		strings.Repeat("x", Most):      strings.Repeat("x", Most),
		strings.Repeat("x", 5_000_000): strings.Repeat("x", Most-len("…")) + "…",
		strings.Repeat("ä", Most):      strings.Repeat("ä", (Most-len("…"))/2) + "…",
	} {
		if got := Text(in); got != want || len(got) > Most || !utf8.ValidString(got) {
			t.Errorf("%.20q… becomes %.40q… of %d bytes", in, got, len(got))
		}
	}
}

func TestAWriterLetsNothingThroughThatSteersATerminal(t *testing.T) {
	var b strings.Builder
	in := "a table\n\twith \x1b]0;title\x07 and \u009b31m in it, and ä\n"
	if n, err := Writer(&b).Write([]byte(in)); n != len(in) || err != nil {
		t.Errorf("wrote %d of %d: %v", n, len(in), err)
	}
	if want := "a table\n\twith ]0;title and 31m in it, and ä\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[2J")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if len(got) > Most || !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\n\r\x00") {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
