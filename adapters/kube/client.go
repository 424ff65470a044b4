// Package kube is tidetable's door to a Kubernetes API: the client's set-up,
// the Lease that makes one process the leader, the fence around every write,
// the policies it watches and the statuses and events it writes, and who a
// person with a token is.
package kube

import (
	"fmt"
	"net/netip"
	"net/url"

	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// Clients are the API's clients, made from one configuration.
type Clients struct {
	Config *rest.Config
	Kube   kubernetes.Interface
	// Lease renews the Lease, and Reviews asks who people are: each has a bound of
	// its own, so that no reader of the page can cost the leader its Lease.
	Lease, Reviews kubernetes.Interface
	Dynamic        dynamic.Interface
	Mapper         *restmapper.DeferredDiscoveryRESTMapper
	Namespace      string // where we run, or the kubeconfig's
}

// Connect loads the in-cluster configuration, or the given kubeconfig (or
// $KUBECONFIG, or ~/.kube/config) outside one, and makes the clients. It asks
// the server nothing yet.
func Connect(kubeconfig string) (*Clients, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if kubeconfig != "" {
		rules.ExplicitPath = kubeconfig
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)
	cfg, err := loader.ClientConfig() // falls back to in-cluster by itself
	if err != nil {
		return nil, fmt.Errorf("loading the Kubernetes configuration: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("finding our namespace: %w", err)
	}
	return NewClients(cfg, namespace)
}

// NewClients makes the clients from a configuration.
func NewClients(cfg *rest.Config, namespace string) (*Clients, error) {
	if err := guardsCredentials(cfg); err != nil {
		return nil, err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.UserAgent = "tidetable"
	// A controller that asks a handful of objects a tick needs little; the
	// bound keeps a bug from becoming the API server's problem.
	cfg.QPS, cfg.Burst = 20, 40
	k, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making the Kubernetes client: %w", err)
	}
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making the dynamic client: %w", err)
	}
	lease, err := kubernetes.NewForConfig(rest.CopyConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("making the Lease's client: %w", err)
	}
	reviews, err := kubernetes.NewForConfig(rest.CopyConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("making the reviews' client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(k.Discovery()))
	return &Clients{Config: cfg, Kube: k, Lease: lease, Reviews: reviews, Dynamic: d, Mapper: mapper, Namespace: namespace}, nil
}

// guardsCredentials refuses an API server to which our token would go in the clear.
func guardsCredentials(cfg *rest.Config) error {
	u, err := url.Parse(cfg.Host)
	secret := cfg.BearerToken != "" || cfg.BearerTokenFile != "" || cfg.Password != "" || cfg.ExecProvider != nil || cfg.AuthProvider != nil
	if err != nil || !secret || u.Scheme != "http" {
		return nil //nolint:nilerr // what is no URL is explained by the client
	}
	if at, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || err == nil && at.IsLoopback() {
		return nil
	}
	return fmt.Errorf("connecting to %s: a token would go over plain HTTP; use https", u.Redacted())
}
