// Package plain makes text that came from outside (a topic's name, a server's
// answer, an error that quotes either) fit to be shown: short, one line, and
// without anything that steers a terminal.
package plain

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most is how many bytes of a text are shown.
const Most = 1000

// Text is s on one line, without control characters, and at most Most bytes.
func Text(s string) string {
	cut := false
	if len(s) > 4*Most { // do not walk through megabytes to show a line
		s, cut = s[:4*Most], true
	}
	s = strings.Join(strings.Fields(strings.Map(visible, strings.ToValidUTF8(s, "\uFFFD"))), " ")
	if len(s) > Most {
		end := Most - len("…")
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		return s[:end] + "…"
	}
	if cut {
		return s + "…"
	}
	return s
}

// visible turns a control character into a space. Format characters, such as
// those that turn the direction of writing round, go too.
func visible(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
		return ' '
	}
	return r
}

// Writer passes on what is written without control characters but line breaks
// and tabs: for tables and words on a terminal, whatever names they hold.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

func (p writer) Write(b []byte) (int, error) {
	clean := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '\n' || c == '\t':
		case c < ' ' || c == 0x7f:
			continue
		case c == 0xc2 && i+1 < len(b) && b[i+1] >= 0x80 && b[i+1] < 0xa0: // C1, as UTF-8 has it
			i++
			continue
		}
		clean = append(clean, c)
	}
	if _, err := p.w.Write(clean); err != nil {
		return 0, err
	}
	return len(b), nil
}
