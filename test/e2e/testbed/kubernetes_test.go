package testbed

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func TestControlPlaneMakesPodsAndHoldsToRBAC(t *testing.T) {
	k := StartKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()

	replicas := int32(2)
	labels := map[string]string{"app": "billing"}
	deployment := &apps.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "billing"},
		Spec: apps.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       core.PodSpec{Containers: []core.Container{{Name: "billing", Image: "none"}}},
			},
		},
	}
	if _, err := k.Client.AppsV1().Deployments("default").Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	err := Poll(ctx, "two pods", 200*time.Millisecond, func(ctx context.Context) error {
		pods, err := k.Client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=billing"})
		if err != nil {
			return err
		}
		if len(pods.Items) != 2 {
			return fmt.Errorf("there are %d", len(pods.Items))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// A service account has no rights of its own, and the audit log says so.
	config, err := k.ServiceAccountConfig(ctx, "default", "default")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.CoreV1().Pods("default").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing pods without a role: got %v, want forbidden", err)
	}
	log, err := os.ReadFile(k.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), `"code":403`) {
		t.Error("the audit log does not show the refused request")
	}

	// The API server comes back with its data after a kill.
	if err := k.APIServer.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := k.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Client.AppsV1().Deployments("default").Get(ctx, "billing", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}
