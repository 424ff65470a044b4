// Command gen makes the Helm chart's templates from the kustomize base and
// overlays: one source, two ways to install. What a value of the chart can
// change is a replacement in this file; a replacement whose text is no longer
// in its source is an error, so that the two cannot drift apart unseen.
//
//	go run ./deploy/helm/gen -deploy deploy
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	deploy := flag.String("deploy", "deploy", "the deploy folder")
	flag.Parse()
	files, err := generate(*deploy)
	if err == nil {
		err = write(filepath.Join(*deploy, "helm", "tidetable"), files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		os.Exit(1)
	}
}

func write(chart string, files map[string][]byte) error {
	for name, b := range files {
		path := filepath.Join(chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing the chart: %w", err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return fmt.Errorf("writing the chart: %w", err)
		}
	}
	return nil
}

// replacement puts a template's text where the base has a fixed one.
type replacement struct{ old, new string }

// source is one file of the kustomize tree and what of it values can change.
type source struct {
	from, to string
	when     string // a condition around the whole file
	replace  []replacement
}

const header = "{{- /* Made by go run ./deploy/helm/gen from deploy/kustomize; edit that instead. */ -}}\n"

// mayConnect is who may, where values do not say otherwise.
const mayConnect = `        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: monitoring}
          podSelector:
            matchExpressions:
              - {key: app.kubernetes.io/name, operator: In, values: [alertmanager, prometheus]}
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: keda}
          podSelector:
            matchLabels: {app.kubernetes.io/name: keda-operator}
        - podSelector:
            matchLabels: {tidetable.io/client: "true"}
`

var sources = []source{
	{from: "base/serviceaccount.yaml", to: "templates/serviceaccount.yaml"},
	{from: "base/deployment.yaml", to: "templates/deployment.yaml", replace: []replacement{
		{
			"          image: ghcr.io/tidetable/tidetable:0.1.0\n",
			"          image: {{ printf \"%s:%s\" .Values.image.repository .Values.image.tag }}\n          {{- with .Values.image.pullPolicy }}\n          imagePullPolicy: {{ . }}\n          {{- end }}\n",
		},
		{"--max-mode=Observe]", "{{ printf \"--max-mode=%s\" .Values.maxMode }}{{ range .Values.extraArgs }}, {{ . | quote }}{{ end }}]"},
		{
			"            requests: {cpu: 100m, memory: 256Mi}\n            limits: {memory: 1Gi}\n",
			"            {{- toYaml .Values.resources | nindent 12 }}\n",
		},
		{
			"            - {name: tmp, mountPath: /tmp}\n",
			"            - {name: tmp, mountPath: /tmp}\n            {{- with .Values.extraVolumeMounts }}\n            {{- toYaml . | nindent 12 }}\n            {{- end }}\n",
		},
		{
			"          emptyDir: {sizeLimit: 256Mi}\n",
			"          emptyDir: {sizeLimit: 256Mi}\n        {{- with .Values.extraVolumes }}\n        {{- toYaml . | nindent 8 }}\n        {{- end }}\n      {{- with .Values.imagePullSecrets }}\n      imagePullSecrets:\n        {{- toYaml . | nindent 8 }}\n      {{- end }}\n      {{- with .Values.nodeSelector }}\n      nodeSelector:\n        {{- toYaml . | nindent 8 }}\n      {{- end }}\n      {{- with .Values.tolerations }}\n      tolerations:\n        {{- toYaml . | nindent 8 }}\n      {{- end }}\n",
		},
	}},
	{from: "base/service.yaml", to: "templates/service.yaml"},
	{from: "base/networkpolicy.yaml", to: "templates/networkpolicy.yaml", when: ".Values.networkPolicy.enabled", replace: []replacement{
		{mayConnect, "        {{- toYaml .Values.networkPolicy.from | nindent 8 }}\n"},
	}},
	{from: "base/claim.yaml", to: "templates/claim.yaml", replace: []replacement{
		{
			"    requests: {storage: 5Gi}\n",
			"    requests: {storage: {{ .Values.journal.size }}}\n  {{- with .Values.journal.storageClassName }}\n  storageClassName: {{ . }}\n  {{- end }}\n",
		},
	}},
	{from: "overlays/observe/role.yaml", to: "templates/role-observe.yaml"},
	{from: "overlays/recommend/role.yaml", to: "templates/role-recommend.yaml", when: `ne .Values.maxMode "Observe"`},
	{from: "overlays/act/role.yaml", to: "templates/role-act.yaml", when: `or (eq .Values.maxMode "Act") (eq .Values.maxMode "Approve")`},
	{from: "components/approvals/admission.yaml", to: "templates/approvals.yaml", when: ".Values.approvals.enabled"},
	{from: "components/monitoring/podmonitor.yaml", to: "templates/podmonitor.yaml", when: ".Values.monitoring.enabled"},
	{from: "components/monitoring/prometheusrule.yaml", to: "templates/prometheusrule.yaml", when: ".Values.monitoring.enabled"},
}

// named finds each object's name, after which its namespace and labels go.
var named = regexp.MustCompile(`(?m)^metadata:\n  name: \S+\n`)

func generate(deploy string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, s := range sources {
		b, err := os.ReadFile(filepath.Join(deploy, "kustomize", s.from))
		if err != nil {
			return nil, fmt.Errorf("reading the base: %w", err)
		}
		if files[s.to], err = s.template(string(b)); err != nil {
			return nil, err
		}
	}
	crd, err := os.ReadFile(filepath.Join(deploy, "kustomize", "base", "crd.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	files["crds/crd.yaml"] = crd
	return files, nil
}

func (s source) template(text string) ([]byte, error) {
	// What looks like a template in the source, such as an alert's text, must
	// reach the object as it is.
	text = strings.ReplaceAll(text, "{{", "{{ `{{` }}")
	for _, r := range s.replace {
		if strings.Count(text, r.old) != 1 {
			return nil, fmt.Errorf("making %s: %s no longer has %q exactly once", s.to, s.from, r.old)
		}
		text = strings.Replace(text, r.old, r.new, 1)
	}
	text = named.ReplaceAllStringFunc(text, func(m string) string {
		return m + "  namespace: {{ .Release.Namespace }}\n  labels: {app.kubernetes.io/name: tidetable}\n"
	})
	// A binding names the account's namespace too, as kustomize makes it.
	text = strings.ReplaceAll(
		text,
		"  - kind: ServiceAccount\n    name: tidetable\n",
		"  - kind: ServiceAccount\n    name: tidetable\n    namespace: {{ .Release.Namespace }}\n",
	)
	text = clusterScoped(text)
	var out bytes.Buffer
	out.WriteString(header)
	if s.when != "" {
		fmt.Fprintf(&out, "{{- if %s }}\n", s.when)
	}
	out.WriteString(text)
	if s.when != "" {
		out.WriteString("{{- end }}\n")
	}
	return out.Bytes(), nil
}

// clusterScoped takes the namespace from objects that have none.
func clusterScoped(text string) string {
	docs := strings.Split(text, "---\n")
	for i, d := range docs {
		if strings.Contains(d, "\nkind: Cluster") || strings.HasPrefix(d, "kind: Cluster") || strings.Contains(d, "kind: ValidatingAdmissionPolicy") {
			docs[i] = strings.Replace(d, "  namespace: {{ .Release.Namespace }}\n  labels:", "  labels:", 1)
		}
	}
	return strings.Join(docs, "---\n")
}
