// Package chart renders the Helm chart with Helm's own engine and the kustomize
// overlays with kustomize's own, and sees that they give the same objects. It
// is a module of its own, so that Helm weighs on nothing else.
package chart

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const deploy = "../../deploy"

type object = map[string]any

// objects reads a stream of YAML documents into objects by kind and name.
func objects(t *testing.T, stream string) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, doc := range strings.Split("\n"+stream, "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if len(o) == 0 {
			continue
		}
		meta, _ := o["metadata"].(object)
		name, _ := meta["name"].(string)
		kind, _ := o["kind"].(string)
		if _, ok := all[kind+"/"+name]; ok {
			t.Errorf("%s/%s is there twice", kind, name)
		}
		all[kind+"/"+name] = o
	}
	return all
}

func render(values object) (string, error) {
	c, err := loader.Load(filepath.Join(deploy, "helm", "tidetable"))
	if err != nil {
		return "", err
	}
	if err := chartutil.ValidateAgainstSchema(c, mustCoalesce(c.Values, values)); err != nil {
		return "", err
	}
	v, err := chartutil.ToRenderValues(
		c,
		values,
		chartutil.ReleaseOptions{Name: "tidetable", Namespace: "kafka"},
		chartutil.DefaultCapabilities,
	)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(c, v)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out.WriteString("\n---\n" + files[name])
	}
	for _, crd := range c.CRDObjects() {
		out.WriteString("\n---\n" + string(crd.File.Data))
	}
	return out.String(), nil
}

func mustCoalesce(defaults, given object) object {
	out := maps.Clone(defaults)
	for k, v := range given {
		if m, ok := v.(object); ok {
			if d, ok := out[k].(object); ok {
				v = mustCoalesce(d, m)
			}
		}
		out[k] = v
	}
	return out
}

func build(t *testing.T, folder string) string {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// overlay is a kustomization that puts an overlay into a namespace, as a user
// would, with the monitoring component when asked for.
func overlay(t *testing.T, name string, monitoring bool) string {
	t.Helper()
	// kustomize wants paths below a common root, so the folder is beside the overlays.
	dir, err := os.MkdirTemp(filepath.Join(deploy, "kustomize", "overlays"), ".test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	k := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: kafka\nresources: [../" + name + "]\n"
	if monitoring {
		k += "components: [../../components/monitoring]\nlabels: [{pairs: {app.kubernetes.io/name: tidetable}}]\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(k), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// plain drops what says nothing about an object: the labels and namespace that
// one of the two tools writes where it need not.
func plain(o object) object {
	b, _ := json.Marshal(o)
	var c object
	_ = json.Unmarshal(b, &c)
	meta, _ := c["metadata"].(object)
	delete(meta, "labels")
	return c
}

func TestChartAndOverlaysGiveTheSameObjects(t *testing.T) {
	for _, c := range []struct {
		overlay    string
		values     object
		monitoring bool
	}{
		{"recommend", object{}, false},
		{"observe", object{"maxMode": "Observe"}, false},
		{"act", object{"maxMode": "Act"}, false},
		{"act", object{"maxMode": "Act", "monitoring": object{"enabled": true}}, true},
	} {
		t.Run(c.overlay, func(t *testing.T) {
			text, err := render(c.values)
			if err != nil {
				t.Fatal(err)
			}
			chart, base := objects(t, text), objects(t, build(t, overlay(t, c.overlay, c.monitoring)))
			for _, k := range slices.Sorted(maps.Keys(base)) {
				got, ok := chart[k]
				if !ok {
					t.Errorf("the chart lacks %s", k)
					continue
				}
				a, _ := yaml.Marshal(plain(got))
				b, _ := yaml.Marshal(plain(base[k]))
				if !bytes.Equal(a, b) {
					t.Errorf("%s differs\n--- chart\n%.1500s\n--- kustomize\n%.1500s", k, a, b)
				}
			}
			for _, k := range slices.Sorted(maps.Keys(chart)) {
				if _, ok := base[k]; !ok {
					t.Errorf("the base lacks %s", k)
				}
				meta := chart[k]["metadata"].(object)
				labels, _ := meta["labels"].(object)
				if labels["app.kubernetes.io/name"] != "tidetable" && !strings.HasPrefix(k, "CustomResourceDefinition/") {
					t.Errorf("%s lacks the label that selects it", k)
				}
			}
		})
	}
}

func TestValuesReachTheObjects(t *testing.T) {
	text, err := render(object{
		"image": object{
			"repository": "registry.example/tt",
			"tag":        "1.2.3",
			"pullPolicy": "Always",
		}, "maxMode": "Approve", "extraArgs": []any{"--log-level=debug"},
		"journal": object{"size": "20Gi", "storageClassName": "fast"}, "networkPolicy": object{"enabled": false},
		"resources": object{"requests": object{"cpu": "1", "memory": "2Gi"}},
		"nodeSelector": object{
			"zone": "a",
		}, "tolerations": []any{object{"key": "x", "operator": "Exists"}}, "imagePullSecrets": []any{object{"name": "pull"}},
		"extraVolumes": []any{
			object{"name": "tls", "secret": object{"secretName": "kafka"}},
		}, "extraVolumeMounts": []any{object{"name": "tls", "mountPath": "/tls"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, text)
	if _, ok := all["NetworkPolicy/tidetable"]; ok {
		t.Error("the network policy is there")
	}
	if _, ok := all["Role/tidetable-act"]; !ok {
		t.Error("mode Approve has no right to act")
	}
	b, _ := yaml.Marshal(all["Deployment/tidetable"])
	claim, _ := yaml.Marshal(all["PersistentVolumeClaim/tidetable-journal"])
	for _, want := range []string{"registry.example/tt:1.2.3", "imagePullPolicy: Always", "--max-mode=Approve", "--log-level=debug", "memory: 2Gi", "zone: a", "operator: Exists", "name: pull", "secretName: kafka", "mountPath: /tls"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the deployment lacks %q:\n%s", want, b)
		}
	}
	if !strings.Contains(string(claim), "storage: 20Gi") || !strings.Contains(string(claim), "storageClassName: fast") {
		t.Errorf("the claim is\n%s", claim)
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for name, v := range map[string]object{
		"a mode that is none": {"maxMode": "Yolo"},
		"an unknown value":    {"replicas": 3},
		"a size without unit": {"journal": object{"size": "5"}},
		"a shell in args":     {"extraArgs": []any{"; rm -rf /"}},
		"text for a switch":   {"networkPolicy": object{"enabled": "yes"}},
		"anybody may connect": {"networkPolicy": object{"from": []any{object{"namespaceSelector": object{}}}}},
		"nobody is named":     {"networkPolicy": object{"from": []any{}}},
	} {
		if _, err := render(v); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestTheNetworkPolicyNamesWhoMayConnect(t *testing.T) {
	text, err := render(object{})
	if err != nil {
		t.Fatal(err)
	}
	peers := 0
	spec, _ := objects(t, text)["NetworkPolicy/tidetable"]["spec"].(object)
	ingress, _ := spec["ingress"].([]any)
	for _, rule := range ingress {
		from, _ := rule.(object)["from"].([]any)
		if len(from) == 0 {
			t.Errorf("anybody may connect: %v", rule)
		}
		for _, peer := range from {
			peers++
			for kind, selector := range peer.(object) {
				if s, _ := selector.(object); len(s) == 0 {
					t.Errorf("%s selects everybody: %v", kind, peer)
				}
			}
		}
	}
	if peers == 0 {
		t.Errorf("nobody is named in %v", spec)
	}
	text, err = render(object{"networkPolicy": object{"from": []any{object{"podSelector": object{"matchLabels": object{"a": "b"}}}}}})
	if err != nil || !strings.Contains(text, "a: b") || strings.Contains(text, "keda-operator") {
		t.Errorf("whom the values name does not reach the policy: %v", err)
	}
}

// TestChartIsCurrent sees that the committed templates are what the generator makes.
func TestChartIsCurrent(t *testing.T) {
	dir := t.TempDir()
	for _, step := range [][]string{{"cp", "-r", deploy + "/kustomize", dir + "/kustomize"}, {"mkdir", dir + "/helm"}} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	cmd := exec.Command("go", "run", "./deploy/helm/gen", "-deploy", dir)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, _ := filepath.Glob(dir + "/helm/tidetable/*/*.yaml")
	if len(made) < 10 {
		t.Fatalf("the generator made %v", made)
	}
	for _, m := range made {
		rel, _ := filepath.Rel(dir, m)
		want, _ := os.ReadFile(m)
		got, err := os.ReadFile(filepath.Join(deploy, rel))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("deploy/%s is not current (%v): make chart", rel, err)
		}
	}
	committed, _ := filepath.Glob(deploy + "/helm/tidetable/templates/*.yaml")
	for _, c := range committed {
		if _, err := os.Stat(filepath.Join(dir, "helm/tidetable/templates", filepath.Base(c))); err != nil {
			t.Errorf("%s is made by nobody", c)
		}
	}
}
