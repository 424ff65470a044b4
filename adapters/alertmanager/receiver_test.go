package alertmanager

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a clock that a test moves by hand.
type at struct {
	mu  sync.Mutex
	now time.Time
}

func (c *at) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *at) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var testRules = []policy.AlertRule{
	{Match: map[string]string{"alertname": "NodeMaintenance"}, Effect: "freeze", For: policy.Duration(2 * time.Hour)},
	{Match: map[string]string{"alertname": "Incident", "severity": "critical"}, Effect: "hold"},
	{Match: map[string]string{"alertname": "BrokerLost"}, Effect: "brokerDown", SubjectLabel: "broker"},
	{Match: map[string]string{"alertname": "Campaign"}, Effect: "uplift", Uplift: 1.4},
	{Match: map[string]string{"alertname": "LookNow"}, Effect: "check"},
}

func testReceiver(t testing.TB, c *at, change func(*ReceiverOptions)) *Receiver {
	t.Helper()
	opt := ReceiverOptions{Rules: testRules, Token: func() (string, error) { return "s3cret", nil }, Now: c.Now, Rate: 1e9, Burst: 1e6}
	if change != nil {
		change(&opt)
	}
	r, err := NewReceiver(opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func alert(status, name string, start time.Time, fingerprint string, labels ...string) map[string]any {
	l := map[string]string{"alertname": name}
	for i := 0; i+1 < len(labels); i += 2 {
		l[labels[i]] = labels[i+1]
	}
	return map[string]any{
		"status":               status,
		"labels":               l,
		"annotations":          map[string]string{"summary": "x"},
		"startsAt":             start.Format(time.RFC3339Nano),
		"endsAt":               "0001-01-01T00:00:00Z",
		"generatorURL":         "http://prometheus/graph",
		"fingerprint":          fingerprint,
		"addedInALaterVersion": []int{1},
	}
}

func payload(alerts ...map[string]any) []byte {
	b, _ := json.Marshal(
		map[string]any{"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "tidetable",
			"groupLabels": map[string]string{}, "commonLabels": map[string]string{}, "commonAnnotations": map[string]string{}, "externalURL": "http://am", "alerts": alerts},
	)
	return b
}

func post(h http.Handler, body []byte, token string) int {
	req := httptest.NewRequest(http.MethodPost, "/api/v1/alerts", bytes.NewReader(body))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Code
}

const fp = "00000000000000a1"

func acting(r *Receiver) []decision.Observation {
	all, _ := r.Observations(context.Background(), r.opt.Now())
	return all
}

func effects(r *Receiver) string {
	var all []string
	for _, o := range acting(r) {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s", o.Effect, o.Subject), " "))
	}
	return strings.Join(all, ",")
}

func TestAlertsBecomeObservationsThatExpire(t *testing.T) {
	for name, c := range map[string]struct {
		alert map[string]any
		want  decision.Observation
	}{
		"freeze": {alert("firing", "NodeMaintenance", noon, fp), decision.Observation{Effect: "freeze", Until: noon.Add(2 * time.Hour)}},
		"hold":   {alert("firing", "Incident", noon, fp, "severity", "critical"), decision.Observation{Effect: "hold", Until: noon.Add(DefaultFor)}},
		"broker": {alert("firing", "BrokerLost", noon, fp, "broker", "3"), decision.Observation{Effect: "brokerDown", Subject: "3", Until: noon.Add(DefaultFor)}},
		"uplift": {alert("firing", "Campaign", noon, fp), decision.Observation{Effect: "uplift", Value: 1.4, Until: noon.Add(DefaultFor)}},
		"check":  {alert("firing", "LookNow", noon, fp), decision.Observation{Effect: "check", Until: noon.Add(DefaultFor)}},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &at{now: noon.Add(time.Minute)}
			r := testReceiver(t, clock, nil)
			if code := post(r, payload(c.alert), "s3cret"); code != http.StatusOK {
				t.Fatalf("status %d", code)
			}
			c.want.Source = "alertmanager/" + c.alert["labels"].(map[string]string)["alertname"] + "/" + fp
			if got := acting(r); len(got) != 1 || got[0] != c.want {
				t.Fatalf("observations = %+v, want %+v", got, c.want)
			}
			select {
			case <-r.Checks():
				if name != "check" {
					t.Error("a check was asked for")
				}
			default:
				if name == "check" {
					t.Error("no check was asked for")
				}
			}
			clock.add(c.want.Until.Sub(clock.Now()))
			if got := effects(r); got != "" {
				t.Errorf("after its time %s still acts", got)
			}
		})
	}
}

func TestAnAlertThatResolvesUndoesItself(t *testing.T) {
	r := testReceiver(t, &at{now: noon.Add(time.Minute)}, nil)
	post(r, payload(alert("firing", "NodeMaintenance", noon, fp), alert("firing", "NodeMaintenance", noon, "00000000000000b2")), "s3cret")
	post(r, payload(alert("resolved", "NodeMaintenance", noon, fp)), "s3cret")
	if got := acting(r); len(got) != 1 || !strings.HasSuffix(got[0].Source, "b2") {
		t.Errorf("observations = %+v, want the other alert's", got)
	}
}

func TestAReplayChangesNothing(t *testing.T) {
	clock := &at{now: noon.Add(time.Minute)}
	r := testReceiver(t, clock, nil)
	firing := payload(alert("firing", "NodeMaintenance", noon, fp))
	resolved := payload(alert("resolved", "NodeMaintenance", noon, fp))
	post(r, firing, "s3cret")
	until := acting(r)[0].Until

	clock.add(time.Hour)
	post(r, firing, "s3cret")
	if got := acting(r); len(got) != 1 || !got[0].Until.Equal(until) {
		t.Errorf("told again it acts until %v, want %v", got[0].Until, until)
	}
	post(r, resolved, "s3cret")
	post(r, firing, "s3cret")
	if got := effects(r); got != "" {
		t.Errorf("replayed after it ended: %s", got)
	}
	// The same alert firing anew starts later, and acts.
	again := payload(alert("firing", "NodeMaintenance", noon.Add(time.Hour), fp))
	post(r, again, "s3cret")
	if got := effects(r); got != "freeze" {
		t.Errorf("firing anew: %q", got)
	}
	// A resolution of the first does not end the second.
	post(r, resolved, "s3cret")
	if got := effects(r); got != "freeze" {
		t.Errorf("after a replayed resolution: %q", got)
	}
	clock.add(30 * 24 * time.Hour)
	post(r, again, "s3cret")
	if got := effects(r); got != "" {
		t.Errorf("replayed a month later: %s", got)
	}
}

func TestWhoMayTell(t *testing.T) {
	clock := &at{now: noon}
	body := payload(alert("firing", "NodeMaintenance", noon, fp))
	with := func(change func(*http.Request), opt func(*ReceiverOptions)) int {
		r := testReceiver(t, clock, opt)
		req := httptest.NewRequest(http.MethodPost, "/api/v1/alerts", bytes.NewReader(body))
		change(req)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if (w.Code == http.StatusOK) != (effects(r) != "") {
			t.Errorf("status %d and effects %q", w.Code, effects(r))
		}
		return w.Code
	}
	bearer := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", s) }
	}
	verified := func(r *http.Request) {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	}
	certificates := func(o *ReceiverOptions) { o.Token, o.ClientCertificate = nil, true }
	for name, c := range map[string]struct {
		got, want int
	}{
		"the token":                        {with(bearer("Bearer s3cret"), nil), 200},
		"the token, lower-case scheme":     {with(bearer("bearer s3cret"), nil), 200},
		"no token":                         {with(bearer(""), nil), 401},
		"another token":                    {with(bearer("Bearer s3cret2"), nil), 401},
		"basic":                            {with(bearer("Basic s3cret"), nil), 401},
		"nothing configured":               {with(bearer("Bearer "), func(o *ReceiverOptions) { o.Token = nil }), 401},
		"an empty token configured":        {with(bearer("Bearer "), func(o *ReceiverOptions) { o.Token = func() (string, error) { return "\n", nil } }), 401},
		"a token that cannot be read":      {with(bearer("Bearer "), func(o *ReceiverOptions) { o.Token = func() (string, error) { return "", http.ErrServerClosed } }), 401},
		"a certificate":                    {with(verified, certificates), 200},
		"an unverified certificate":        {with(func(r *http.Request) { r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}} }, certificates), 401},
		"a certificate that nobody wanted": {with(verified, func(o *ReceiverOptions) { o.Token = nil }), 401},
	} {
		if c.got != c.want {
			t.Errorf("%s: status %d, want %d", name, c.got, c.want)
		}
	}
}

func TestBoundsAndBadBodiesAreRefused(t *testing.T) {
	ok := alert("firing", "NodeMaintenance", noon, fp)
	change := func(k string, v any) map[string]any {
		a := alert("firing", "NodeMaintenance", noon, fp)
		a[k] = v
		return a
	}
	labels := map[string]string{"alertname": "NodeMaintenance"}
	for i := range maxLabels {
		labels[fmt.Sprint("l", i)] = "x"
	}
	for name, c := range map[string]struct {
		body []byte
		code int
	}{
		"empty":              {nil, 400},
		"not JSON":           {[]byte("<xml/>"), 400},
		"two payloads":       {append(payload(ok), payload(ok)...), 400},
		"version 3":          {bytes.Replace(payload(ok), []byte(`"version":"4"`), []byte(`"version":"3"`), 1), 400},
		"alerts of a type":   {[]byte(`{"version":"4","alerts":{"a":1}}`), 400},
		"deep":               {[]byte(`{"version":"4","x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`), 400},
		"too large":          {append(payload(ok), bytes.Repeat([]byte{' '}, DefaultMaxBody)...), 413},
		"too many":           {payload(slices.Repeat([]map[string]any{ok}, maxAlerts+1)...), 400},
		"status":             {payload(ok, change("status", "scaleIn")), 400},
		"fingerprint":        {payload(ok, change("fingerprint", "../../etc")), 400},
		"no start":           {payload(ok, change("startsAt", "0001-01-01T00:00:00Z")), 400},
		"start in a year":    {payload(ok, change("startsAt", noon.AddDate(1, 0, 0))), 400},
		"start that is text": {payload(ok, change("startsAt", "yesterday")), 400},
		"many labels":        {payload(ok, change("labels", labels)), 400},
		"long label":         {payload(ok, change("labels", map[string]string{"alertname": strings.Repeat("x", maxText+1)})), 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := testReceiver(t, &at{now: noon}, nil)
			if code := post(r, c.body, "s3cret"); code != c.code && !(name == "too large" && code == 400) {
				t.Errorf("status %d, want %d", code, c.code)
			}
			// One bad alert refuses the notification: half of it would be
			// neither what was sent nor nothing.
			if got := effects(r); got != "" {
				t.Errorf("it acts: %s", got)
			}
		})
	}
	t.Run("the rate", func(t *testing.T) {
		r := testReceiver(t, &at{now: noon}, func(o *ReceiverOptions) { o.Rate, o.Burst = 0.001, 2 })
		codes := []int{
			post(r, payload(), "s3cret"),
			post(r, payload(), "wrong"),
			post(r, payload(), "s3cret"),
			post(r, payload(), "s3cret"),
		}
		if !slices.Equal(codes, []int{200, 401, 200, 429}) {
			t.Errorf("codes = %v: strangers must not use up the sender's allowance", codes)
		}
	})
	t.Run("GET", func(t *testing.T) {
		w := httptest.NewRecorder()
		testReceiver(t, &at{now: noon}, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("the number of effects", func(t *testing.T) {
		r := testReceiver(t, &at{now: noon}, nil)
		for i := range 3 {
			var many []map[string]any
			for k := range 500 {
				many = append(many, alert("firing", "NodeMaintenance", noon, fmt.Sprintf("%016x", 1000*i+k)))
			}
			post(r, payload(many...), "s3cret")
		}
		if n := len(acting(r)); n != maxEffects {
			t.Errorf("%d effects, want %d", n, maxEffects)
		}
	})
}

func TestRulesThatCouldScaleInAreRefused(t *testing.T) {
	match := map[string]string{"a": "b"}
	for name, rule := range map[string]policy.AlertRule{
		"scaleIn":      {Match: match, Effect: "scaleIn"},
		"no effect":    {Match: match},
		"no match":     {Effect: "hold"},
		"uplift 0.5":   {Match: match, Effect: "uplift", Uplift: 0.5},
		"uplift 1":     {Match: match, Effect: "uplift", Uplift: 1},
		"uplift none":  {Match: match, Effect: "uplift"},
		"no subject":   {Match: match, Effect: "brokerDown"},
		"uplift large": {Match: match, Effect: "uplift", Uplift: 1e9},
	} {
		if _, err := NewReceiver(ReceiverOptions{Rules: []policy.AlertRule{rule}}); err == nil ||
			!strings.Contains(err.Error(), "rules[0]") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTenThousandHostileBodiesChangeNothing sends ten thousand bodies that are
// fuzzed, oversized, nested, of wrong types or without authority over real
// connections, and sees that nothing acts and that an honest one still does.
func TestTenThousandHostileBodiesChangeNothing(t *testing.T) {
	clock := &at{now: noon.Add(time.Minute)}
	r := testReceiver(t, clock, func(o *ReceiverOptions) { o.MaxBody = 64 << 10 })
	srv := httptest.NewServer(r)
	defer srv.Close()
	send := func(body []byte, token string) int {
		req, _ := http.NewRequest(http.MethodPost, srv.URL, bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := srv.Client().Do(req)
		if err != nil { // the server may close on an oversized body before it is sent
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	honest := payload(alert("firing", "NodeMaintenance", noon, fp))
	n := 10_000
	if testing.Short() {
		n = 2_000
	}
	rng := rand.New(rand.NewPCG(1, 8))
	for i := range n {
		body, token := hostile(rng, honest)
		if code := send(body, token); code == http.StatusOK {
			// A mutation may leave the payload whole. Then it must not have
			// brought in what no rule says; see below.
			continue
		}
		_ = i
	}
	for _, o := range acting(r) {
		if o.Effect != "freeze" || o.Until.After(noon.Add(2*time.Hour+clockSkew)) || o.Value != 0 {
			t.Errorf("a hostile body brought in %+v", o)
		}
	}
	if code := send(payload(alert("firing", "Incident", noon, fp, "severity", "critical")), "s3cret"); code != http.StatusOK {
		t.Errorf("an honest notification afterwards: status %d", code)
	}
	if got := effects(r); !strings.Contains(got, "hold") {
		t.Errorf("an honest notification afterwards does not act: %q", got)
	}
}

func hostile(rng *rand.Rand, honest []byte) (body []byte, token string) {
	token = "s3cret"
	switch rng.IntN(7) {
	case 0: // no authority
		return honest, []string{"", "guess", "s3cre"}[rng.IntN(3)]
	case 1: // noise
		body = make([]byte, rng.IntN(2048))
		for i := range body {
			body[i] = byte(rng.Uint32())
		}
	case 2: // the honest one with some bytes changed
		body = bytes.Clone(honest)
		for range 1 + rng.IntN(4) {
			body[rng.IntN(len(body))] = byte(rng.Uint32())
		}
	case 3: // nested
		d := 1 + rng.IntN(15_000)
		body = []byte(`{"version":"4","alerts":` + strings.Repeat(`[{"labels":`, d) + strings.Repeat(`}]`, d) + `}`)
	case 4: // too large
		body = append(bytes.Clone(honest[:len(honest)-1]), []byte(`,"x":"`+strings.Repeat("y", 65<<10)+`"}`)...)
	case 5: // wrong types
		wrong := []string{`null`, `-1e999`, `"x"`, `[[]]`, `{"a":{}}`, `true`, `1e309`}
		w := wrong[rng.IntN(len(wrong))]
		body = []byte(fmt.Sprintf([]string{`{"version":%s,"alerts":[]}`, `{"version":"4","alerts":%s}`, `{"version":"4","alerts":[%s]}`,
			`{"version":"4","alerts":[{"status":"firing","labels":%s,"startsAt":"2026-03-01T12:00:00Z","fingerprint":"00000000000000a1"}]}`,
			`{"version":"4","alerts":[{"status":"firing","labels":{},"startsAt":%s,"fingerprint":"00000000000000a1"}]}`}[rng.IntN(5)], w))
	case 6: // cut off
		body = honest[:rng.IntN(len(honest))]
	}
	return body, token
}

// FuzzWebhook holds that nothing that arrives acts beyond what the rules say.
func FuzzWebhook(f *testing.F) {
	f.Add(payload(alert("firing", "Campaign", noon, fp)))
	f.Add(payload(alert("resolved", "BrokerLost", noon, fp, "broker", "3")))
	f.Add([]byte(`{"version":"4","alerts":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		clock := &at{now: noon}
		r := testReceiver(t, clock, nil)
		code := post(r, body, "s3cret")
		all := acting(r)
		if code != http.StatusOK && len(all) > 0 {
			t.Errorf("refused with %d, and it acts: %+v", code, all)
		}
		for _, o := range all {
			switch o.Effect {
			case "hold", "freeze", "check", "brokerDown":
			case "uplift":
				if o.Value != 1.4 {
					t.Errorf("uplift %v", o.Value)
				}
			default:
				t.Errorf("effect %q", o.Effect)
			}
			if !o.Until.After(noon) || o.Until.After(noon.Add(2*time.Hour+clockSkew)) {
				t.Errorf("it acts until %v", o.Until)
			}
		}
	})
}

func TestAControllerThatStartsAdoptsWhatFires(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v2/alerts" || r.URL.Query().Get("silenced") != "false" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprintf(
			w,
			`[{"fingerprint":%q,"startsAt":%q,"endsAt":%q,"updatedAt":%q,"labels":{"alertname":"NodeMaintenance"},"annotations":{},"receivers":[],"status":{"state":"active","inhibitedBy":[],"silencedBy":[]}}]`,
			fp,
			noon.Format(time.RFC3339),
			noon.Format(time.RFC3339),
			noon.Format(time.RFC3339),
		)
	}))
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	gone, _ := url.Parse("http://127.0.0.1:1")
	r := testReceiver(t, &at{now: noon.Add(time.Minute)}, nil)
	err := r.Adopt(t.Context(), []Endpoint{{Name: "gone", URL: gone, Client: srv.Client()}, {Name: "am", URL: u, Client: srv.Client()}})
	if err == nil {
		t.Error("the one that is gone is not reported")
	}
	if got := effects(r); got != "freeze" {
		t.Errorf("adopted %q", got)
	}
}

// BenchmarkWebhook posts notifications over loopback from many connections and
// reports the 99th percentile of the answer's time.
func BenchmarkWebhook(b *testing.B) {
	clock := &at{now: noon.Add(time.Minute)}
	r := testReceiver(b, clock, nil)
	srv := httptest.NewServer(r)
	defer srv.Close()
	srv.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	var many []map[string]any
	for k := range 20 {
		many = append(many, alert("firing", "NodeMaintenance", noon, fmt.Sprintf("%016x", k)))
	}
	body := payload(many...)
	var mu sync.Mutex
	var times []time.Duration
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var own []time.Duration
		for pb.Next() {
			req, _ := http.NewRequest(http.MethodPost, srv.URL, bytes.NewReader(body))
			req.Header.Set("Authorization", "Bearer s3cret")
			start := time.Now()
			resp, err := srv.Client().Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			resp.Body.Close()
			own = append(own, time.Since(start))
		}
		mu.Lock()
		times = append(times, own...)
		mu.Unlock()
	})
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}
