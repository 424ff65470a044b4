package testbed

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// RenderOverlay renders one of deploy/kustomize's overlays for a namespace, as
// `kubectl kustomize` does, leaving out the kinds that are named: a test that
// runs tidetable as a process needs all of it but the Deployment.
func RenderOverlay(overlay, namespace string, without ...string) ([]byte, error) {
	dir := filepath.Join(filepath.Dir(filepath.Dir(moduleDir())), "deploy", "kustomize", "overlays", overlay)
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("rendering overlay %s: %w", overlay, err)
	}
	var out bytes.Buffer
	for _, r := range rendered.Resources() {
		if slices.Contains(without, r.GetKind()) {
			continue
		}
		doc, err := r.AsYAML()
		if err != nil {
			return nil, fmt.Errorf("rendering overlay %s: %w", overlay, err)
		}
		// What kustomize's namespace transformer does to bindings' subjects.
		doc = bytes.ReplaceAll(doc, []byte("- kind: ServiceAccount\n  name: tidetable\n"),
			[]byte("- kind: ServiceAccount\n  name: tidetable\n  namespace: "+namespace+"\n"))
		out.WriteString("---\n")
		out.Write(doc)
	}
	return out.Bytes(), nil
}
