package testbed

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestAVolumeHasTheSizeItIsGivenAndGoes(t *testing.T) {
	if err := MountRefused(); err != nil {
		t.Skipf("this machine does not let a test mount: %v", err)
	}
	root := t.TempDir()
	dir := filepath.Join(root, "volumes", "a")
	for range 2 { // a pod that comes back mounts its volume again
		if err := mountVolume(dir, 3); err != nil {
			t.Fatal(err)
		}
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	if size := int64(stat.Blocks) * stat.Bsize; size != 3<<20 {
		t.Errorf("the volume has %d bytes, want 3 MiB", size)
	}
	if mounted := mountsUnder(root); len(mounted) != 1 || mounted[0] != dir {
		t.Errorf("mounted: %v, want %s once", mounted, dir)
	}
	if err := unmountUnder(root); err != nil {
		t.Fatal(err)
	}
	if left := mountsUnder(root); len(left) > 0 {
		t.Errorf("still mounted: %v", left)
	}
}
