package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// MountRefused says why this machine does not let the testbed mount a file
// system, so that volumes cannot be bounded; nil when it does.
func MountRefused() error {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-mount-", dirPrefix, os.Getpid()))
	if err != nil {
		return fmt.Errorf("creating a folder: %w", err)
	}
	err = mountVolume(dir, 1)
	if err == nil {
		err = syscall.Unmount(dir, syscall.MNT_DETACH)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// mountVolume makes dir a file system of its own of so many MiB, which is what
// the broker on it then reports; it may be called again.
func mountVolume(dir string, mebibytes int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating a volume: %w", err)
	}
	if len(mountsUnder(dir)) > 0 {
		return nil
	}
	if err := syscall.Mount("tidetable", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes)); err != nil {
		return fmt.Errorf("mounting a volume of %d MiB: %w", mebibytes, err)
	}
	return nil
}

// mountsUnder lists the file systems that are mounted at dir and below it.
func mountsUnder(dir string) []string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && (fields[1] == dir || strings.HasPrefix(fields[1], dir+string(filepath.Separator))) {
			out = append(out, fields[1])
		}
	}
	return out
}

// unmountUnder takes away what mountVolume mounted below dir.
func unmountUnder(dir string) error {
	var errs []error
	for _, m := range mountsUnder(dir) {
		if err := syscall.Unmount(m, syscall.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", m, err))
		}
	}
	return errors.Join(errs...)
}
