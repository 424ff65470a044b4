package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lineReader reads lines of bounded length, and can look one line ahead. What
// next returns is good until the call after.
type lineReader struct {
	r      *bufio.Reader
	buf    []byte
	ahead  []byte // a copy
	whole  bool
	err    error
	peeked bool
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 1<<18)}
}

// next returns a line without its newline; whole is false for a last line that
// has none. At the end err is io.EOF.
func (l *lineReader) next() (line []byte, whole bool, err error) {
	if l.peeked {
		l.peeked = false
		return l.ahead, l.whole, l.err
	}
	return l.read()
}

func (l *lineReader) read() ([]byte, bool, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.buf = append(l.buf[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.r.ReadSlice('\n')
			l.buf = append(l.buf, line...)
			if len(l.buf) > MaxEntryBytes+1 {
				return nil, false, fmt.Errorf("a line is longer than %d bytes", MaxEntryBytes)
			}
		}
		line = l.buf
	}
	switch {
	case err == nil:
		return line[:len(line)-1], true, nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		return line, false, nil
	default:
		return nil, false, err
	}
}

// peek parses the line after the one next returned last; ok is false when
// there is none or it is not an entry.
func (l *lineReader) peek() (frame, bool) {
	if !l.peeked {
		line, whole, err := l.read()
		l.ahead, l.whole, l.err, l.peeked = append([]byte(nil), line...), whole, err, true
	}
	if l.err != nil || !l.whole {
		return frame{}, false
	}
	f, err := parseFrame(l.ahead)
	return f, err == nil
}
