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
// large answers is collected before the kernel ends the process. A GOMEMLIMIT
// that is set, or no limit, leaves everything as it is.
func BoundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return // not a container, or one of cgroup version 1
	}
	if limit := memoryLimit(string(text)); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// memoryLimit reads memory.max; 0 is no limit.
func memoryLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 || n == math.MaxInt64 {
		return 0
	}
	return int64(memoryShare * float64(n))
}
