package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// nodeMetrics serves, for the brokers' processes, what the kubelet, cAdvisor
// and kube-state-metrics would say about their pods: CPU, memory, volumes and
// limits. The figures are the processes' own, from /proc and the file system.
type nodeMetrics struct {
	tb     *Testbed
	addr   string
	server *http.Server
}

func serveNodeMetrics(tb *Testbed) (*nodeMetrics, error) {
	port, err := tb.ports.take()
	if err != nil {
		return nil, err
	}
	n := &nodeMetrics{tb: tb, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	listener, err := net.Listen("tcp", n.addr)
	if err != nil {
		return nil, fmt.Errorf("serving the node's metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", n.write)
	n.server = &http.Server{Handler: mux}
	go func() { _ = n.server.Serve(listener) }()
	return n, nil
}

func (n *nodeMetrics) close() { _ = n.server.Close() }

// clockTicks is USER_HZ, which Linux fixes at 100 for user space.
const clockTicks = 100

func (n *nodeMetrics) write(w http.ResponseWriter, _ *http.Request) {
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }()
	if n.tb.Kafka == nil {
		return
	}
	for _, b := range n.tb.Kafka.Brokers() {
		if !b.Running() {
			continue
		}
		pod := fmt.Sprintf(`namespace=%q,pod=%q,container="kafka"`, Namespace, b.PodName())
		if cpu, memory, err := processUsage(b.Process().PID()); err == nil {
			_, _ = fmt.Fprintf(out, "container_cpu_usage_seconds_total{%s} %g\n", pod, cpu)
			_, _ = fmt.Fprintf(out, "container_memory_working_set_bytes{%s} %d\n", pod, memory)
		}
		if limit := b.cpu(); limit > 0 {
			_, _ = fmt.Fprintf(out, "kube_pod_container_resource_limits{%s,resource=\"cpu\",unit=\"core\"} %g\n", pod, limit)
			_, _ = fmt.Fprintf(out, "container_spec_cpu_quota{%s} %g\ncontainer_spec_cpu_period{%s} 100000\n", pod, limit*1e5, pod)
		}
		for i, dir := range b.DataDirs() {
			used, capacity, err := n.volume(dir)
			if err != nil {
				continue
			}
			claim := fmt.Sprintf(`namespace=%q,persistentvolumeclaim="%s-%s"`, Namespace, volumeName(i), b.PodName())
			_, _ = fmt.Fprintf(out, "kubelet_volume_stats_used_bytes{%s} %g\n", claim, used)
			_, _ = fmt.Fprintf(out, "kubelet_volume_stats_capacity_bytes{%s} %g\n", claim, capacity)
			_, _ = fmt.Fprintf(out, "kubelet_volume_stats_available_bytes{%s} %g\n", claim, max(0, capacity-used))
		}
	}
}

// volume gives the bytes used in a folder of a broker's, and its size.
func (n *nodeMetrics) volume(dir string) (used, capacity float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreGone(err)
		}
		// Blocks, not length: Kafka's index files are sparse.
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			used += float64(stat.Blocks) * 512
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("measuring %s: %w", dir, err)
	}
	if n.tb.options.VolumeBytes > 0 {
		return used, n.tb.options.VolumeBytes, nil
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, 0, fmt.Errorf("measuring %s: %w", dir, err)
	}
	return used, float64(stat.Blocks) * float64(stat.Bsize), nil
}

// ignoreGone forgives files that Kafka deleted during the walk.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// processUsage reads CPU seconds and resident bytes of a process.
func processUsage(pid int) (cpuSeconds float64, residentBytes int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading a process's usage: %w", err)
	}
	// The second field, in parentheses, may hold spaces; count after it.
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return 0, 0, fmt.Errorf("reading the usage of process %d: %d fields", pid, len(fields))
	}
	user, errUser := strconv.ParseFloat(fields[11], 64)
	system, errSystem := strconv.ParseFloat(fields[12], 64)
	pages, errPages := strconv.ParseInt(fields[21], 10, 64)
	return (user + system) / clockTicks, pages * int64(os.Getpagesize()), errors.Join(errUser, errSystem, errPages)
}
