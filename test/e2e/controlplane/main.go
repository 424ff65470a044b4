// Command controlplane is kube-apiserver and kube-controller-manager in one
// binary, so that they are linked, and cached, once. It is a module of its own
// because only the testbed's Kubernetes tests need to build it.
package main

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if len(os.Args) > 1 {
		name := os.Args[1]
		os.Args = append(os.Args[:1], os.Args[2:]...)
		switch name {
		case "kube-apiserver":
			os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
		case "kube-controller-manager":
			os.Exit(cli.Run(manager.NewControllerManagerCommand()))
		}
	}
	fmt.Fprintln(os.Stderr, "usage: controlplane kube-apiserver|kube-controller-manager [flags]")
	os.Exit(2)
}
