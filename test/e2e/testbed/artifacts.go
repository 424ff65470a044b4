package testbed

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

//go:embed assets
var assets embed.FS

// RequiredEnv makes missing parts a failure instead of a skip when it is set
// to "required": CI must not pass by leaving everything out.
const RequiredEnv = "TIDETABLE_E2E"

// CacheEnv overrides the folder that holds what `make testbed-deps` fetched
// and built; worktrees and runs share it.
const CacheEnv = "TIDETABLE_CACHE"

// Artifacts are the programs and jars the testbed runs.
type Artifacts struct {
	Java         string
	KafkaVersion string
	KafkaLibs    string // folder of jars
	// OldestKafkaLibs are those of the oldest Kafka that the testbed runs.
	OldestKafkaLibs string
	JMXAgent        string // the JMX exporter's java agent
	Prometheus      string // empty when not installed
	Promtool        string
	Alertmanager    string
	Etcd            string
	ControlPlane    string // kube-apiserver and kube-controller-manager in one binary
}

// CacheDir is the folder shared by worktrees and runs.
func CacheDir() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return filepath.Join(dir, "tidetable"), nil
}

var pomProperty = regexp.MustCompile(`<(kafka|jmx)\.version>([^<]+)<`)

// pomVersions reads the versions that a pom names.
func pomVersions(name string) (map[string]string, error) {
	pom, err := assets.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the pom: %w", err)
	}
	versions := map[string]string{}
	for _, m := range pomProperty.FindAllStringSubmatch(string(pom), -1) {
		versions[m[1]] = m[2]
	}
	return versions, nil
}

// FindArtifacts looks for everything the testbed can run. Java and Kafka are
// always needed; the error names all that is missing and how to get it.
func FindArtifacts() (Artifacts, error) {
	var a Artifacts
	cache, err := CacheDir()
	if err != nil {
		return a, err
	}
	versions, err := pomVersions("assets/pom.xml")
	if err != nil {
		return a, err
	}
	oldest, err := pomVersions("assets/pom-oldest.xml")
	if err != nil {
		return a, err
	}
	a.OldestKafkaLibs = filepath.Join(cache, "kafka-"+oldest["kafka"])
	a.KafkaVersion = versions["kafka"]
	a.KafkaLibs = filepath.Join(cache, "kafka-"+a.KafkaVersion)
	a.JMXAgent = filepath.Join(a.KafkaLibs, "jmx_prometheus_javaagent-"+versions["jmx"]+".jar")
	a.Java = lookPath("java")
	a.Prometheus, a.Promtool = lookPath("prometheus"), lookPath("promtool")
	a.Alertmanager = lookPath("prometheus-alertmanager", "alertmanager")
	a.Etcd = lookPath("etcd")
	digest, err := controlPlaneDigest()
	if err != nil {
		return a, err
	}
	a.ControlPlane = existing(filepath.Join(cache, "controlplane-"+digest))

	var missing []string
	if a.Java == "" {
		missing = append(missing, "java (Debian: openjdk-17-jdk-headless)")
	}
	if existing(filepath.Join(a.KafkaLibs, "kafka_2.13-"+a.KafkaVersion+".jar")) == "" {
		missing = append(missing, "Apache Kafka "+a.KafkaVersion+" in "+a.KafkaLibs)
	}
	if existing(filepath.Join(a.OldestKafkaLibs, "kafka_2.13-"+oldest["kafka"]+".jar")) == "" {
		missing = append(missing, "Apache Kafka "+oldest["kafka"]+" in "+a.OldestKafkaLibs)
	}
	if existing(a.JMXAgent) == "" {
		missing = append(missing, "the JMX exporter in "+a.KafkaLibs)
	}
	if a.Prometheus == "" || a.Promtool == "" {
		missing = append(missing, "prometheus and promtool (Debian: prometheus)")
	}
	if len(missing) > 0 {
		return a, fmt.Errorf("the testbed is missing %s; run `make testbed-deps`", strings.Join(missing, ", "))
	}
	return a, nil
}

// Require skips the test, saying why, when the testbed's parts are not on
// this machine. With TIDETABLE_E2E=required it fails instead.
func Require(t testing.TB) Artifacts {
	t.Helper()
	if testing.Short() {
		t.Skip("the testbed is left out of -short runs")
	}
	a, err := FindArtifacts()
	skipOrFail(t, err)
	return a
}

// RequireKubernetes is Require for the Kubernetes control plane too.
func RequireKubernetes(t testing.TB) Artifacts {
	t.Helper()
	a := Require(t)
	skipOrFail(t, a.kubernetesMissing())
	return a
}

func (a Artifacts) kubernetesMissing() error {
	var missing []string
	if a.Etcd == "" {
		missing = append(missing, "etcd (Debian: etcd-server)")
	}
	if a.ControlPlane == "" {
		missing = append(missing, "the control plane's binary")
	}
	if len(missing) > 0 {
		return fmt.Errorf("the testbed is missing %s; run `make testbed-deps`", strings.Join(missing, ", "))
	}
	return nil
}

// controlPlaneDigest names the control plane's binary by its sources, as
// deps.sh does.
func controlPlaneDigest() (string, error) {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		content, err := os.ReadFile(filepath.Join(moduleDir(), "controlplane", name))
		if err != nil {
			return "", fmt.Errorf("naming the control plane: %w", err)
		}
		_, _ = h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func skipOrFail(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv(RequiredEnv) == "required":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

func lookPath(names ...string) string {
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}

func existing(path string) string {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return path
}

// moduleDir is test/e2e in the checkout this binary was built from.
func moduleDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}
