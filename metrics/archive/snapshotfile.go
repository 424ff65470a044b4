package archive

import (
	"fmt"
	"io"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/files"
)

// ReadSnapshotFile reads a snapshot from a file, or from stdin when path is -.
// Errors name the file.
func ReadSnapshotFile(path string, stdin io.Reader) (cluster.Snapshot, error) {
	r, err := files.Open(path, stdin, 0)
	if err != nil {
		return cluster.Snapshot{}, err
	}
	defer r.Close()
	s, err := ReadSnapshot(r)
	if err != nil {
		return cluster.Snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// ReadTraceFile reads a trace from a file, or from stdin when path is -. Errors
// name the file.
func ReadTraceFile(path string, stdin io.Reader) (Trace, error) {
	r, err := files.Open(path, stdin, 0)
	if err != nil {
		return Trace{}, err
	}
	defer r.Close()
	t, err := ReadTrace(r)
	if err != nil {
		return Trace{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
