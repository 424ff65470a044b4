// Package policy is the one document that says what tidetable may do with a
// cluster: the custom resource in Kubernetes, the file behind --policy, and a
// scenario's section are the same document, read by the same decoder with the
// same defaults and the same messages. docs/formats/policy.md has its long form.
package policy

import "github.com/tidetable/tidetable/cluster"

// The header every policy document carries.
const (
	APIVersion = "tidetable.io/v1alpha1"
	Kind       = "KafkaCapacityPolicy"
)

// Policy is the document.
type Policy struct {
	APIVersion string   `json:"apiVersion" yaml:"apiVersion"`
	Kind       string   `json:"kind" yaml:"kind"`
	Metadata   Metadata `json:"metadata" yaml:"metadata"`
	Spec       Spec     `json:"spec" yaml:"spec"`
}

// Metadata names the policy. What else a Kubernetes object carries here is
// accepted and ignored, so that kubectl get -o yaml gives a readable file.
type Metadata struct {
	Name        string            `json:"name" yaml:"name"`
	Namespace   string            `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty" yaml:"annotations,omitempty"`
}

// Spec is what the policy says.
type Spec struct {
	Mode Mode `json:"mode,omitempty" yaml:"mode,omitempty"`
	// Interval is the time between two looks at the cluster.
	Interval   Duration   `json:"interval,omitempty" yaml:"interval,omitempty"`
	Kafka      Kafka      `json:"kafka,omitzero" yaml:"kafka,omitempty"`
	Prometheus Prometheus `json:"prometheus,omitzero" yaml:"prometheus,omitempty"`
	Forecast   Forecast   `json:"forecast,omitzero" yaml:"forecast,omitempty"`
	Brokers    Brokers    `json:"brokers,omitzero" yaml:"brokers,omitempty"`
	Consumers  []Consumer `json:"consumers,omitempty" yaml:"consumers,omitempty"`
	Rebalance  Rebalance  `json:"rebalance,omitzero" yaml:"rebalance,omitempty"`
	Gates      Gates      `json:"gates,omitzero" yaml:"gates,omitempty"`
	Cost       Cost       `json:"cost,omitzero" yaml:"cost,omitempty"`
	Alerts     Alerts     `json:"alerts,omitzero" yaml:"alerts,omitempty"`
	Journal    Journal    `json:"journal,omitzero" yaml:"journal,omitempty"`
}

// Mode says how far the loop goes. The zero value is defaulted to Recommend,
// and what is not known acts on nothing.
type Mode string

// The modes, each doing what the one before it does and more.
const (
	Observe   Mode = "Observe"   // reads and forecasts; proposes nothing
	Recommend Mode = "Recommend" // says what it would do
	Approve   Mode = "Approve"   // does what a person has approved
	Act       Mode = "Act"       // does it
)

// Acts tells whether the mode may ever change anything.
func (m Mode) Acts() bool { return m == Act || m == Approve }

// Secret is a secret value, given by where it is kept, never by itself.
type Secret struct {
	File         string        `json:"file,omitempty" yaml:"file,omitempty"`
	SecretKeyRef *SecretKeyRef `json:"secretKeyRef,omitempty" yaml:"secretKeyRef,omitempty"`
}

// IsZero tells whether no secret is given.
func (s Secret) IsZero() bool { return s.File == "" && s.SecretKeyRef == nil }

// SecretKeyRef names a key of a Kubernetes Secret in the policy's namespace.
type SecretKeyRef struct {
	Name string `json:"name" yaml:"name"`
	Key  string `json:"key" yaml:"key"`
}

// TLS is how a connection is secured. Certificates are always verified.
type TLS struct {
	Enabled    bool   `json:"enabled,omitempty" yaml:"enabled,omitempty"` // implied by any other field
	CAFile     string `json:"caFile,omitempty" yaml:"caFile,omitempty"`
	CertFile   string `json:"certFile,omitempty" yaml:"certFile,omitempty"`
	KeyFile    string `json:"keyFile,omitempty" yaml:"keyFile,omitempty"`
	ServerName string `json:"serverName,omitempty" yaml:"serverName,omitempty"`
}

// On tells whether TLS is wanted.
func (t TLS) On() bool {
	return t.Enabled || t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != ""
}

// Kafka says how the cluster is reached.
type Kafka struct {
	Bootstrap []string `json:"bootstrap,omitempty" yaml:"bootstrap,omitempty"`
	TLS       TLS      `json:"tls,omitzero" yaml:"tls,omitempty"`
	SASL      SASL     `json:"sasl,omitzero" yaml:"sasl,omitempty"`
}

// SASL is how tidetable authenticates to Kafka.
type SASL struct {
	Mechanism string `json:"mechanism,omitempty" yaml:"mechanism,omitempty"` // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER
	Username  string `json:"username,omitempty" yaml:"username,omitempty"`
	Password  Secret `json:"password,omitzero" yaml:"password,omitempty"`
	Token     Secret `json:"token,omitzero" yaml:"token,omitempty"` // for OAUTHBEARER; re-read when it changes
}

// BasicAuth is HTTP basic authentication.
type BasicAuth struct {
	Username string `json:"username" yaml:"username"`
	Password Secret `json:"password" yaml:"password"`
}

// Prometheus says where metrics are read.
type Prometheus struct {
	URL string `json:"url,omitempty" yaml:"url,omitempty"`
	// Catalogue names query catalogues, built-in ones or files, by commas, in the order
	// in which they are asked. When absent, what is exported is found out.
	Catalogue       string            `json:"catalogue,omitempty" yaml:"catalogue,omitempty"`
	TLS             TLS               `json:"tls,omitzero" yaml:"tls,omitempty"`
	BearerTokenFile string            `json:"bearerTokenFile,omitempty" yaml:"bearerTokenFile,omitempty"`
	BearerToken     Secret            `json:"bearerToken,omitzero" yaml:"bearerToken,omitempty"`
	BasicAuth       *BasicAuth        `json:"basicAuth,omitempty" yaml:"basicAuth,omitempty"`
	Headers         map[string]string `json:"headers,omitempty" yaml:"headers,omitempty"`
	Timeout         Duration          `json:"timeout,omitempty" yaml:"timeout,omitempty"`
	// Selector picks one cluster where a server knows many: PromQL matchers
	// such as namespace="kafka".
	Selector string `json:"selector,omitempty" yaml:"selector,omitempty"`
	// ScrapeInterval is how often the brokers are scraped; 30s when absent.
	ScrapeInterval Duration `json:"scrapeInterval,omitempty" yaml:"scrapeInterval,omitempty"`
}

// Forecast says how demand is predicted.
type Forecast struct {
	Quantile cluster.Ratio `json:"quantile,omitempty" yaml:"quantile,omitempty"` // what is sized for
	History  Duration      `json:"history,omitempty" yaml:"history,omitempty"`
	Step     Duration      `json:"step,omitempty" yaml:"step,omitempty"`
	// Horizon is the least that is looked ahead; the lead time, when it is longer.
	Horizon Duration `json:"horizon,omitempty" yaml:"horizon,omitempty"`
	// Refresh is how long a forecast is used before it is made anew.
	Refresh Duration `json:"refresh,omitempty" yaml:"refresh,omitempty"`
	// Seasons has one value, auto: they are found from the data, never assumed.
	Seasons  string   `json:"seasons,omitempty" yaml:"seasons,omitempty"`
	Holidays []string `json:"holidays,omitempty" yaml:"holidays,omitempty"` // countries, such as US
	TimeZone string   `json:"timeZone,omitempty" yaml:"timeZone,omitempty"` // of seasons and holidays
	Events   []Event  `json:"events,omitempty" yaml:"events,omitempty"`
}

// Event is something known to come that changes the load.
type Event struct {
	Name     string   `json:"name" yaml:"name"`
	Schedule string   `json:"schedule,omitempty" yaml:"schedule,omitempty"` // cron
	At       []string `json:"at,omitempty" yaml:"at,omitempty"`             // RFC 3339; instead of a schedule
	TimeZone string   `json:"timeZone,omitempty" yaml:"timeZone,omitempty"`
	Duration Duration `json:"duration" yaml:"duration"`
	// Uplift is the factor on the load for an event never seen before; history
	// teaches the others.
	Uplift float64 `json:"uplift,omitempty" yaml:"uplift,omitempty"`
}

// Target names a workload that can be scaled.
type Target struct {
	APIVersion string `json:"apiVersion,omitempty" yaml:"apiVersion,omitempty"`
	Kind       string `json:"kind" yaml:"kind"`
	Name       string `json:"name" yaml:"name"`
	Namespace  string `json:"namespace,omitempty" yaml:"namespace,omitempty"` // the policy's, when empty
}

// Key names the target within a namespace; scalers are found by it.
func (t Target) Key() string {
	if t.Namespace != "" {
		return t.Namespace + "/" + t.Kind + "/" + t.Name
	}
	return t.Kind + "/" + t.Name
}

// Window is a stretch of time that comes again: it opens when Schedule fires
// and stays open for Duration.
type Window struct {
	Schedule string   `json:"schedule" yaml:"schedule"`
	Duration Duration `json:"duration" yaml:"duration"`
	TimeZone string   `json:"timeZone,omitempty" yaml:"timeZone,omitempty"` // UTC, when empty
}
