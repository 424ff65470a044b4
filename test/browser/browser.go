// Package browser opens pages in a headless Chromium for tests: it waits
// until a page says that it is drawn, and keeps what the browser complained
// about and asked for.
package browser

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Browser is one headless Chromium, and what it complained about and asked for.
type Browser struct {
	context.Context
	mu       sync.Mutex
	requests []string
	faults   []string
}

// Start starts Chromium with some more of its flags, or skips the test and says
// why. It ends with the test.
func Start(t *testing.T, flags ...string) *Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short; a browser is slow to start")
	}
	path := chromium()
	if path == "" {
		t.Skip("no Chromium on this machine: apt-get install chromium")
	}
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900)}
	for _, f := range append([]string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
		"no-default-browser-check"}, flags...) {
		opts = append(opts, chromedp.Flag(f, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Browser{}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Skipf("Chromium is here and does not start: %v", err)
	}
	t.Cleanup(func() { // Chromium is asked to end, so that it has let go of its folder
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		_ = chromedp.Cancel(ctx)
	})
	b.Context, cancel = context.WithTimeout(ctx, 8*time.Minute) // machines that run everything at once are slow
	t.Cleanup(cancel)
	send(t, b, network.Enable, network.EnableParams{})
	send(t, b, log.Enable, cdp.Empty{})
	send(t, b, runtime.Enable, cdp.Empty{})
	return b
}

func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}

func (b *Browser) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventWebSocketCreated:
		b.requests = append(b.requests, e.URL)
	case *log.EventEntryAdded:
		b.faults = append(b.faults, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	}
}

// Do carries steps out.
func (b *Browser) Do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	b.Must(t, chromedp.Do(b, steps...))
}

// Must ends the test on an error, with what the browser complained about.
func (b *Browser) Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("in the browser: %v; it complained: %q", err, b.faults)
	}
}

// Eval returns what a script returns, having waited for its promise.
func Eval[T any](t *testing.T, b *Browser, script string) T {
	t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	b.Must(t, err)
	return v
}

func send[P, R any](t *testing.T, b *Browser, command cdp.Command[P, R], params P) {
	t.Helper()
	_, err := chromedp.Call(b, command, params)
	b.Must(t, err)
}

// See sets the size and the theme; the time zone is UTC, and nothing moves.
func (b *Browser) See(t *testing.T, width, height int64, theme string) {
	t.Helper()
	send(
		t,
		b,
		emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500},
	)
	send(t, b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	send(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Until waits for a condition of the page.
func Until(condition string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](
		condition,
		chromedp.WithPollingInterval(50*time.Millisecond),
		chromedp.WithPollingTimeout(0),
	) // the browser's own deadline counts
}

// Visit opens an address and waits until the page says that all is drawn.
func (b *Browser) Visit(t *testing.T, url string) {
	t.Helper()
	b.Do(t, chromedp.Navigate(url), Until(`document.body.dataset.ready === 'yes'`))
}

// Check sees that the browser asked for nothing but its own addresses, and had
// nothing to complain about: no script fault, nothing blocked by a policy.
func (b *Browser) Check(t *testing.T, own func(url string) bool) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.requests {
		if !own(u) && !strings.HasPrefix(u, "data:") {
			t.Errorf("the page asked for %s", u)
		}
	}
	for _, f := range b.faults {
		t.Errorf("the browser complained: %s", f)
	}
}
