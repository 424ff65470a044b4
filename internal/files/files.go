// Package files opens inputs and writes outputs the way every command promises:
// a path or "-", .gz and .zst read as they are, sizes bounded, and nothing left
// half written.
package files

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// DefaultMaxBytes bounds an input after decompression: a snapshot of 1,000
// brokers and 200,000 partitions is about 100 MB.
const DefaultMaxBytes = 2 << 30

// ErrTooLarge says that an input is larger, decompressed, than its bound.
var ErrTooLarge = errors.New("input is larger than its limit")

// Open opens path for reading, "-" being stdin, and decompresses gzip and zstd
// by their magic bytes. Reading past maxBytes fails with ErrTooLarge; zero
// stands for DefaultMaxBytes.
func Open(path string, stdin io.Reader, maxBytes int64) (io.ReadCloser, error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	var raw io.ReadCloser
	if path == "-" {
		raw = io.NopCloser(stdin)
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("opening input: %w", err)
		}
		if st, err := f.Stat(); err == nil && st.IsDir() {
			f.Close()
			return nil, fmt.Errorf("opening input: %s is a folder, not a file", path)
		}
		raw = f
	}
	br := bufio.NewReaderSize(raw, 1<<16)
	magic, _ := br.Peek(4)
	in := &input{Reader: br, closers: []func() error{raw.Close}}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			raw.Close()
			return nil, fmt.Errorf("reading %s as gzip: %w", path, err)
		}
		in.Reader = z
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(br, zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			raw.Close()
			return nil, fmt.Errorf("reading %s as zstd: %w", path, err)
		}
		in.Reader = z
		in.closers = append(in.closers, func() error { z.Close(); return nil })
	}
	in.Reader = &bounded{r: in.Reader, left: maxBytes, limit: maxBytes}
	return in, nil
}

type input struct {
	io.Reader
	closers []func() error
}

func (i *input) Close() error {
	var errs []error
	for k := len(i.closers) - 1; k >= 0; k-- {
		errs = append(errs, i.closers[k]())
	}
	return errors.Join(errs...)
}

type bounded struct {
	r           io.Reader
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// One more byte tells "exactly the limit" from "over it".
		var one [1]byte
		if n, err := b.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("%w of %d bytes", ErrTooLarge, b.limit)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// WriteAtomic writes path through a temporary file beside it and a rename, so
// that a reader, or Ctrl-C, never sees half of it. "-" writes to stdout.
func WriteAtomic(path string, stdout io.Writer, write func(io.Writer) error) (err error) {
	if path == "-" {
		w := bufio.NewWriter(stdout)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("creating output: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = os.Remove(f.Name()) // the error that led here is the one to tell
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
