package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubernetes is a control plane: etcd, kube-apiserver with RBAC and an audit
// log, and kube-controller-manager with the controllers that the tests need.
type Kubernetes struct {
	// Config is the cluster administrator's.
	Config *rest.Config
	// Kubeconfig is the same as a file.
	Kubeconfig string
	// AuditLog has one JSON event a line for each request, at level Metadata.
	AuditLog string
	// Client is made from Config.
	Client kubernetes.Interface

	// Agent runs the pods.
	Agent *NodeAgent

	Etcd, APIServer, ControllerManager *Process

	tb       *Testbed
	dir      string
	pki      *pki
	etcdPort int
	peerPort int
	apiPort  int
	cmPort   int
}

// StartKubernetes starts a control plane alone, without Kafka.
func StartKubernetes(t testing.TB) *Kubernetes {
	t.Helper()
	RequireKubernetes(t)
	return Start(t, Options{NoKafka: true, Kubernetes: true}).Kubernetes
}

func (tb *Testbed) startKubernetes(ctx context.Context) error {
	if err := tb.artifacts.kubernetesMissing(); err != nil {
		return err
	}
	began := time.Now()
	k := &Kubernetes{tb: tb, dir: filepath.Join(tb.Dir, "kubernetes"), AuditLog: filepath.Join(tb.LogDir, "audit.jsonl")}
	tb.Kubernetes = k
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return fmt.Errorf("creating the control plane's folder: %w", err)
	}
	for _, port := range []*int{&k.etcdPort, &k.peerPort, &k.apiPort, &k.cmPort} {
		var err error
		if *port, err = tb.ports.take(); err != nil {
			return err
		}
	}
	var err error
	if k.pki, err = newPKI(k.dir); err != nil {
		return err
	}
	if err := k.writeKubeconfig(); err != nil {
		return err
	}
	if err := k.startEtcd(); err != nil {
		return err
	}
	if err := k.StartAPIServer(ctx); err != nil {
		return err
	}
	if err := k.StartControllerManager(); err != nil {
		return err
	}
	// Pods need their namespace's default service account, which the
	// controller manager makes.
	err = Poll(ctx, "the controller manager to work", 100*time.Millisecond, func(ctx context.Context) error {
		if !k.ControllerManager.Running() {
			return &Fatal{k.ControllerManager.died()}
		}
		_, err := k.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	tb.options.Log("kubernetes is up after %.1f s: %s", time.Since(began).Seconds(), k.Config.Host)
	return nil
}

func (k *Kubernetes) startEtcd() error {
	client := fmt.Sprintf("http://127.0.0.1:%d", k.etcdPort)
	peer := fmt.Sprintf("http://127.0.0.1:%d", k.peerPort)
	var err error
	k.Etcd, err = k.tb.processes.start("etcd", k.dir, nil, k.tb.artifacts.Etcd,
		"--data-dir="+filepath.Join(k.dir, "etcd"), "--name=testbed",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=testbed="+peer, "--logger=zap", "--log-level=warn")
	return err
}

// auditPolicy records who asked for what and how it was answered.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// StartAPIServer starts the API server, again after it was stopped or killed,
// and waits until it is ready.
func (k *Kubernetes) StartAPIServer(ctx context.Context) error {
	if k.APIServer != nil && k.APIServer.Running() {
		return errors.New("starting the API server: it is running")
	}
	policy := filepath.Join(k.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o644); err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	var err error
	k.APIServer, err = k.tb.processes.start("kube-apiserver", k.dir, nil, k.tb.artifacts.ControlPlane, "kube-apiserver",
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", k.etcdPort),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", k.apiPort), "--advertise-address=127.0.0.1",
		"--tls-cert-file="+k.pki.serverCert, "--tls-private-key-file="+k.pki.serverKey, "--client-ca-file="+k.pki.caCert,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+k.pki.saPublic,
		"--service-account-signing-key-file="+k.pki.saPrivate, "--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC", "--endpoint-reconciler-type=none", "--profiling=false",
		"--audit-policy-file="+policy, "--audit-log-path="+k.AuditLog, "--audit-log-mode=blocking",
		// Watches end soon after a stop, so that restarts are quick.
		"--shutdown-delay-duration=0s", "--v=1",
	)
	if err != nil {
		return err
	}
	return Poll(ctx, "the API server to be ready", 100*time.Millisecond, func(ctx context.Context) error {
		if !k.APIServer.Running() {
			return &Fatal{k.APIServer.died()}
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return k.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// StartControllerManager starts the controllers, again after they were
// stopped or killed.
func (k *Kubernetes) StartControllerManager() error {
	if k.ControllerManager != nil && k.ControllerManager.Running() {
		return errors.New("starting the controller manager: it is running")
	}
	var err error
	k.ControllerManager, err = k.tb.processes.start("kube-controller-manager", k.dir, nil, k.tb.artifacts.ControlPlane, "kube-controller-manager",
		"--kubeconfig="+k.Kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", k.cmPort),
		"--controllers=statefulset-controller,deployment-controller,replicaset-controller,horizontal-pod-autoscaler-controller,"+
			"garbage-collector-controller,namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller,"+
			"disruption-controller,persistentvolumeclaim-protection-controller",
		"--service-account-private-key-file="+k.pki.saPrivate, "--root-ca-file="+k.pki.caCert,
		// A compressed day has no time for the defaults of 15 s and 5 min.
		"--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-downscale-stabilization=10s",
		"--v=1",
	)
	return err
}

func (k *Kubernetes) writeKubeconfig() error {
	cert, key, err := k.pki.client("testbed-admin", "system:masters")
	if err != nil {
		return err
	}
	host := fmt.Sprintf("https://127.0.0.1:%d", k.apiPort)
	k.Config = &rest.Config{
		Host: host, QPS: 200, Burst: 400,
		TLSClientConfig: rest.TLSClientConfig{CAData: k.pki.ca, CertData: cert, KeyData: key},
	}
	k.Kubeconfig = filepath.Join(k.dir, "admin.kubeconfig")
	if err := WriteKubeconfig(k.Kubeconfig, k.Config); err != nil {
		return err
	}
	k.Client, err = kubernetes.NewForConfig(k.Config)
	if err != nil {
		return fmt.Errorf("making a kubernetes client: %w", err)
	}
	return nil
}

// WriteKubeconfig writes a rest.Config of the testbed as a kubeconfig file.
func WriteKubeconfig(path string, c *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["testbed"] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	config.AuthInfos["user"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: c.CertData, ClientKeyData: c.KeyData, Token: c.BearerToken,
	}
	config.Contexts["testbed"] = &clientcmdapi.Context{Cluster: "testbed", AuthInfo: "user"}
	config.CurrentContext = "testbed"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// ServiceAccountConfig is a client of a service account's, with its token and
// no rights but its own: what a pod of that account would have.
func (k *Kubernetes) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	hours := int64(4 * 3600)
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{ExpirationSeconds: &hours}}
	token, err := k.Client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking for a token of %s/%s: %w", namespace, name, err)
	}
	return &rest.Config{
		Host: k.Config.Host, BearerToken: token.Status.Token,
		TLSClientConfig: rest.TLSClientConfig{CAData: k.pki.ca},
	}, nil
}
