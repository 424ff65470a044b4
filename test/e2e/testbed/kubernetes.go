package testbed

// kubernetesVersion is the version of k8s.io/kubernetes that the control
// plane is built from; controlplane/go.mod names the same.
func kubernetesVersion() string { return "v1.36.3" }
