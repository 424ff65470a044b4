package daemon

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryShare is how much of a container's limit Go may use: the rest is for
// what is not on its heap.
const memoryShare = 0.9

// BoundMemory tells Go's collector of the container's limit, so that a burst of
// large answers is collected before the kernel ends the process. A smaller
// GOMEMLIMIT stays; the one of our manifests is the whole limit, which is more
// than Go may use. Without a limit everything is left as it is.
func BoundMemory() {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // not a container, or one of the other cgroup version
		}
		if limit := memoryLimit(string(text)); limit > 0 && limit < debug.SetMemoryLimit(-1) {
			debug.SetMemoryLimit(limit)
		}
		return
	}
}

// memoryLimit reads the kernel's limit; 0 is none.
func memoryLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 || n == math.MaxInt64 {
		return 0
	}
	return int64(memoryShare * float64(n))
}
