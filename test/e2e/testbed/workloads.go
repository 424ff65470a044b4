package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ordinal is the pod's number in its StatefulSet, or its node id in Strimzi's
// pods, whose names end in it.
func ordinal(pod *core.Pod) (int, bool) {
	text, ok := pod.Labels[apps.PodIndexLabel]
	if !ok && pod.Labels[strimziPoolLabel] != "" {
		text, ok = pod.Name[strings.LastIndex(pod.Name, "-")+1:], true
	}
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// brokerWork is a broker that runs for a pod.
type brokerWork struct{ *Broker }

func (w brokerWork) Ready(ctx context.Context) error { return w.unfenced(ctx) }

func (w brokerWork) Address() string { return w.Host }

// idOffsetEnv is what the brokers' start script adds to the pod's ordinal.
const idOffsetEnv = "ID_OFFSET"

// runBroker starts the broker whose id is the pod's ordinal, and what the
// container's environment adds to it, on the pod's volumes. Its address stays
// the same from pod to pod, as a stable name does.
func (a *NodeAgent) runBroker(ctx context.Context, pod *core.Pod) (Workload, error) {
	if a.tb.Kafka == nil {
		return nil, errors.New("the testbed was started without kafka")
	}
	id, ok := ordinal(pod)
	if !ok {
		return nil, errors.New("the pod has no ordinal: brokers are pods of a StatefulSet")
	}
	container := pod.Spec.Containers[0]
	for _, e := range container.Env {
		if e.Name == idOffsetEnv {
			offset, err := strconv.Atoi(e.Value)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", idOffsetEnv, err)
			}
			id += offset
		}
	}
	dirs, err := a.volumeDirs(ctx, pod)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		// Without a claim the data live and die with the pod.
		dirs = []string{filepath.Join(a.tb.Dir, "volumes", string(pod.UID))}
	}
	b := a.tb.Kafka.Broker(id)
	if b == nil {
		if b, err = a.tb.Kafka.newBroker(id, a.tb.rack(a.zone(pod))); err != nil {
			return nil, err
		}
	}
	b.housed(pod.Name, a.tb.rack(a.zone(pod)), container.Resources.Limits.Cpu().AsApproximateFloat64(), dirs)
	if err := b.Launch(ctx); err != nil {
		return nil, err
	}
	return brokerWork{b}, nil
}

// processWork is any other process; it is ready while it runs.
type processWork struct{ *Process }

func (w processWork) Ready(context.Context) error {
	if !w.Running() {
		return errors.New("the process has ended")
	}
	return nil
}

// consumerEnv makes the test binary a consumer: a child that carries it runs
// runConsumerChild instead of the tests.
const consumerEnv = "TIDETABLE_TESTBED_CONSUMER"

func init() {
	if bootstrap := os.Getenv(consumerEnv); bootstrap != "" {
		os.Exit(runConsumerChild(strings.Split(bootstrap, ",")))
	}
}

// runConsumerChild consumes until SIGTERM, then leaves the group.
func runConsumerChild(bootstrap []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	perSecond, _ := strconv.ParseFloat(os.Getenv("RATE"), 64)
	l, err := Consume(bootstrap, Consumer{
		Group: os.Getenv("GROUP"), Topic: os.Getenv("TOPIC"), Rack: os.Getenv("RACK"), RecordsPerSecond: perSecond,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.Stop()
			fmt.Printf("consumed %d records, %v\n", l.Records(), l.Err())
			return 0
		case now := <-tick.C:
			fmt.Printf("%s consumed %d records so far, %v\n", now.UTC().Format(time.RFC3339), l.Records(), l.Err())
		}
	}
}

// runConsumer starts a real member of a group for a pod; the container's
// environment says GROUP, TOPIC and RATE, in records per second.
func (a *NodeAgent) runConsumer(_ context.Context, pod *core.Pod) (Workload, error) {
	if a.tb.Kafka == nil {
		return nil, errors.New("the testbed was started without kafka")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the test binary: %w", err)
	}
	bootstrap := a.tb.Kafka.Bootstrap()
	if len(bootstrap) == 0 {
		return nil, errors.New("there is no broker yet")
	}
	env := []string{consumerEnv + "=" + strings.Join(bootstrap, ",")}
	for _, e := range pod.Spec.Containers[0].Env {
		env = append(env, e.Name+"="+e.Value)
	}
	p, err := a.tb.processes.start(pod.Name, a.tb.Dir, env, self)
	if err != nil {
		return nil, err
	}
	return processWork{p}, nil
}

func quantity(text string) *resource.Quantity {
	q := resource.MustParse(text)
	return &q
}

// DeployConsumers makes a Deployment of consumers in a group, each reading a
// fixed number of records per second, and waits until all run.
func (tb *Testbed) DeployConsumers(ctx context.Context, namespace, name string, c Consumer, replicas int) error {
	if err := tb.Kubernetes.EnsureNamespace(ctx, namespace); err != nil {
		return err
	}
	count := int32(replicas)
	labels := map[string]string{"app": name}
	deployment := &apps.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: apps.DeploymentSpec{
			Replicas: &count, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: core.PodSpec{Containers: []core.Container{{
					Name: "consumer", Image: ConsumerImage,
					Env: []core.EnvVar{
						{Name: "GROUP", Value: c.Group}, {Name: "TOPIC", Value: c.Topic}, {Name: "RACK", Value: c.Rack},
						{Name: "RATE", Value: strconv.FormatFloat(c.RecordsPerSecond, 'g', -1, 64)},
					},
				}}},
			},
		},
	}
	if _, err := tb.Kubernetes.Client.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the consumers' Deployment: %w", err)
	}
	return tb.Kubernetes.WaitDeployment(ctx, namespace, name, replicas)
}

// EnsureNamespace creates a namespace unless it is there, and waits for its
// default service account, without which no pod is admitted.
func (k *Kubernetes) EnsureNamespace(ctx context.Context, name string) error {
	_, err := k.Client.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s: %w", name, err)
	}
	return Poll(ctx, "the service account of namespace "+name, 100*time.Millisecond, func(ctx context.Context) error {
		_, err := k.Client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// WaitStatefulSet waits until the set has exactly that many pods, all ready.
func (k *Kubernetes) WaitStatefulSet(ctx context.Context, namespace, name string, replicas int) error {
	return Poll(ctx, fmt.Sprintf("%d ready pods of StatefulSet %s", replicas, name), 300*time.Millisecond, func(ctx context.Context) error {
		set, err := k.Client.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := set.Status
		if s.ObservedGeneration < set.Generation || int(s.Replicas) != replicas || int(s.ReadyReplicas) != replicas {
			return fmt.Errorf("it has %d pods, %d ready", s.Replicas, s.ReadyReplicas)
		}
		return nil
	})
}

// WaitDeployment waits until the deployment has exactly that many pods, all
// ready.
func (k *Kubernetes) WaitDeployment(ctx context.Context, namespace, name string, replicas int) error {
	return Poll(ctx, fmt.Sprintf("%d ready pods of Deployment %s", replicas, name), 300*time.Millisecond, func(ctx context.Context) error {
		deployment, err := k.Client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := deployment.Status
		if s.ObservedGeneration < deployment.Generation || int(s.Replicas) != replicas || int(s.ReadyReplicas) != replicas {
			return fmt.Errorf("it has %d pods, %d ready", s.Replicas, s.ReadyReplicas)
		}
		return nil
	})
}
