package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Runner starts what a pod's first container stands for.
type Runner func(ctx context.Context, pod *core.Pod) (Workload, error)

// Addressed is a workload that has an address of its own.
type Addressed interface{ Address() string }

// Workload is what runs for a pod.
type Workload interface {
	// Ready says why the pod is not ready; nil when it is.
	Ready(ctx context.Context) error
	// Running is false when the container has ended.
	Running() bool
	// Stop ends it, in order until the context ends, by force then.
	Stop(ctx context.Context) error
}

// NodeAgent stands in for the scheduler, the kubelets and the volume
// provisioner: it binds pods to one node a zone, runs a process for each, and
// reports what becomes of it. A pod whose image has no runner is ready at once
// and runs nothing.
type NodeAgent struct {
	tb      *Testbed
	client  kubernetes.Interface
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	runners map[string]Runner
	pods    map[types.UID]*agentPod
	left    []Departure
}

// Departure is a broker's pod that went because its StatefulSet is to have
// fewer, and what the broker held when the pod's end was asked for.
type Departure struct {
	Pod      string
	Broker   int
	Replicas int
	Err      error // what they are could not be told
}

type agentPod struct {
	mu     sync.Mutex
	latest *core.Pod
	gone   chan struct{} // closed when the pod's object is gone
	asked  chan struct{} // closed when its deletion was asked for
}

// The images that the agent knows from the start.
const (
	KafkaImage    = "testbed/kafka"
	ConsumerImage = "testbed/consumer"
)

func (tb *Testbed) startNodeAgent(ctx context.Context) error {
	k := tb.Kubernetes
	config := *k.Config
	config.UserAgent = "testbed-node-agent"
	client, err := kubernetes.NewForConfig(&config)
	if err != nil {
		return fmt.Errorf("making the node agent's client: %w", err)
	}
	running, cancel := context.WithCancel(context.Background())
	a := &NodeAgent{tb: tb, client: client, cancel: cancel, runners: map[string]Runner{}, pods: map[types.UID]*agentPod{}}
	k.Agent = a
	a.Handle(KafkaImage, a.runBroker)
	a.Handle(ConsumerImage, a.runConsumer)
	for _, zone := range tb.options.Zones {
		if err := a.addNode(ctx, zone); err != nil {
			cancel()
			return err
		}
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { a.seen(running, o.(*core.Pod)) },
		UpdateFunc: func(_, o any) { a.seen(running, o.(*core.Pod)) },
		DeleteFunc: func(o any) {
			if pod, ok := o.(*core.Pod); ok {
				a.forget(pod.UID)
			} else if tombstone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				a.forget(tombstone.Obj.(*core.Pod).UID)
			}
		},
	})
	if err == nil {
		_, err = factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { a.bindClaim(running, o.(*core.PersistentVolumeClaim)) },
		})
	}
	if err != nil {
		cancel()
		return fmt.Errorf("watching pods: %w", err)
	}
	factory.Start(running.Done())
	return nil
}

// Handle runs pods of an image, whatever its tag, by the runner.
func (a *NodeAgent) Handle(image string, run Runner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runners[image] = run
}

func (a *NodeAgent) runner(pod *core.Pod) Runner {
	image, _, _ := strings.Cut(pod.Spec.Containers[0].Image, ":")
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.runners[image]
}

// close stops watching and waits for the workers; the processes themselves
// are killed with the testbed's.
func (a *NodeAgent) close() {
	a.cancel()
	a.workers.Wait()
}

func (a *NodeAgent) addNode(ctx context.Context, zone string) error {
	node := &core.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-" + zone, Labels: map[string]string{core.LabelTopologyZone: zone, core.LabelHostname: "node-" + zone}},
		Status:     core.NodeStatus{Conditions: []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue}}},
	}
	_, err := a.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("adding node %s: %w", node.Name, err)
	}
	return nil
}

// bindClaim does what a provisioner would.
func (a *NodeAgent) bindClaim(ctx context.Context, claim *core.PersistentVolumeClaim) {
	if claim.Status.Phase == core.ClaimBound {
		return
	}
	claim = claim.DeepCopy()
	claim.Status = core.PersistentVolumeClaimStatus{
		Phase: core.ClaimBound, AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests,
	}
	if _, err := a.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, metav1.UpdateOptions{}); err != nil {
		a.complain(ctx, "binding claim %s/%s: %v", claim.Namespace, claim.Name, err)
	}
}

func (a *NodeAgent) complain(ctx context.Context, format string, args ...any) {
	if ctx.Err() == nil {
		a.tb.options.Log("node agent: "+format, args...)
	}
}

func (a *NodeAgent) seen(ctx context.Context, pod *core.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.pods[pod.UID]
	if p == nil {
		if ctx.Err() != nil {
			return
		}
		p = &agentPod{latest: pod, gone: make(chan struct{}), asked: make(chan struct{})}
		a.pods[pod.UID] = p
		a.workers.Add(1)
		go func() {
			defer a.workers.Done()
			a.live(ctx, p)
		}()
	}
	p.mu.Lock()
	p.latest = pod
	p.mu.Unlock()
	if pod.DeletionTimestamp != nil {
		closeOnce(p.asked)
	}
}

func (a *NodeAgent) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.pods[uid]; p != nil {
		closeOnce(p.asked)
		closeOnce(p.gone)
		delete(a.pods, uid)
	}
}

// closeOnce is called under the agent's lock only.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

func (p *agentPod) pod() *core.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

// live takes one pod through its life.
func (a *NodeAgent) live(ctx context.Context, p *agentPod) {
	run := a.runner(p.pod())
	var work Workload
	defer func() { a.end(ctx, p, work) }()
	if p.pod().Spec.NodeName == "" {
		if err := a.bind(ctx, p.pod()); err != nil {
			a.complain(ctx, "binding pod %s: %v", p.pod().Name, err)
		}
	}
	restarts := 0
	var reported string
	for {
		if run != nil && (work == nil || !work.Running()) {
			if work != nil {
				restarts++
			}
			var err error
			if work, err = run(ctx, p.pod()); err != nil {
				a.complain(ctx, "starting pod %s: %v", p.pod().Name, err)
				work = nil
			}
		}
		var unready error
		switch {
		case run == nil:
		case work == nil:
			unready = errors.New("the container could not be started")
		default:
			unready = work.Ready(ctx)
		}
		// Each state is reported once, and again when the report failed.
		if state := fmt.Sprint(unready == nil, restarts); state != reported {
			address := "127.0.0.1"
			if has, ok := work.(Addressed); ok {
				address = has.Address()
			}
			if err := a.report(ctx, p.pod(), address, unready, restarts); err != nil {
				a.complain(ctx, "reporting pod %s: %v", p.pod().Name, err)
			} else {
				reported = state
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-p.asked:
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// end stops the pod's workload and tells the API server that it is gone.
func (a *NodeAgent) end(ctx context.Context, p *agentPod, work Workload) {
	if ctx.Err() != nil {
		return // the testbed closes
	}
	pod := p.pod()
	a.departs(ctx, pod, work)
	if work != nil {
		grace := 30 * time.Second
		if pod.DeletionGracePeriodSeconds != nil {
			grace = time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
		}
		stopping, cancel := context.WithTimeout(ctx, grace)
		if err := work.Stop(stopping); err != nil {
			a.complain(ctx, "stopping pod %s: %v", pod.Name, err)
		}
		cancel()
	}
	err := Poll(ctx, "pod "+pod.Name+" to be deleted", 300*time.Millisecond, func(ctx context.Context) error {
		select {
		case <-p.gone:
			return nil
		default:
		}
		now := int64(0)
		err := a.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
		return nil
	})
	if err != nil {
		a.complain(ctx, "%v", err)
	}
}

// departs notes a broker's pod that its StatefulSet wants no more.
func (a *NodeAgent) departs(ctx context.Context, pod *core.Pod, work Workload) {
	broker, isBroker := work.(brokerWork)
	owner := metav1.GetControllerOf(pod)
	n, numbered := ordinal(pod)
	if !isBroker || owner == nil || owner.Kind != "StatefulSet" || !numbered {
		return
	}
	d := Departure{Pod: pod.Name, Broker: broker.ID}
	set, err := a.client.AppsV1().StatefulSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	if err == nil && n < firstOrdinal(set)+int(*set.Spec.Replicas) {
		return // another pod takes its place
	}
	if err == nil {
		d.Replicas, err = a.tb.Kafka.ReplicasOn(ctx, broker.ID)
	}
	d.Err = err
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = append(a.left, d)
}

// Departures lists the brokers' pods that went in scale-ins, as they went.
func (a *NodeAgent) Departures() []Departure {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.left)
}

// zone of a pod: the one that it asks for; else by its ordinal in a
// StatefulSet, by its name's hash otherwise.
func (a *NodeAgent) zone(pod *core.Pod) string {
	if zone := pod.Spec.NodeSelector[core.LabelTopologyZone]; zone != "" {
		return zone
	}
	zones := a.tb.options.Zones
	if ordinal, ok := ordinal(pod); ok {
		return zones[ordinal%len(zones)]
	}
	sum := 0
	for _, c := range pod.Name {
		sum = sum*31 + int(c)
	}
	return zones[(sum%len(zones)+len(zones))%len(zones)]
}

func (a *NodeAgent) bind(ctx context.Context, pod *core.Pod) error {
	binding := &core.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID},
		Target:     core.ObjectReference{Kind: "Node", Name: "node-" + a.zone(pod)},
	}
	return a.client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
}

// report patches the pod's status as a kubelet would.
func (a *NodeAgent) report(ctx context.Context, pod *core.Pod, address string, unready error, restarts int) error {
	now := metav1.Now()
	ready, why := core.ConditionTrue, ""
	if unready != nil {
		ready, why = core.ConditionFalse, unready.Error()
	}
	condition := func(kind core.PodConditionType, status core.ConditionStatus, message string) core.PodCondition {
		return core.PodCondition{Type: kind, Status: status, Message: message, LastTransitionTime: now}
	}
	started := unready == nil
	status := core.PodStatus{
		Phase: core.PodRunning, PodIP: address, PodIPs: []core.PodIP{{IP: address}}, StartTime: &now,
		Conditions: []core.PodCondition{
			condition(core.PodScheduled, core.ConditionTrue, ""), condition(core.PodInitialized, core.ConditionTrue, ""),
			condition(core.ContainersReady, ready, why), condition(core.PodReady, ready, why),
		},
		ContainerStatuses: []core.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Image: pod.Spec.Containers[0].Image, Ready: unready == nil, Started: &started,
			RestartCount: int32(restarts), State: core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}},
		}},
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("encoding a status: %w", err)
	}
	_, err = a.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone meanwhile, or another pod of that name
	}
	return err
}

// volumeDirs are the folders of the pod's claims, by their uids: a claim made
// anew is an empty disk. There are none for a pod without a claim.
func (a *NodeAgent) volumeDirs(ctx context.Context, pod *core.Pod) ([]string, error) {
	var dirs []string
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim, err := a.client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, v.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("reading the claim of pod %s: %w", pod.Name, err)
		}
		dir := filepath.Join(a.tb.Dir, "volumes", string(claim.UID))
		if size := a.tb.options.VolumeMiB; size > 0 {
			if err := mountVolume(dir, size); err != nil {
				return nil, err
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}
