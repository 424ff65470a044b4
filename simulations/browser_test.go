package simulations

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var (
	screenshots = flag.String("screenshots", "", "write pictures of the report into this folder")
	shownReport = flag.String("report", "", "take the pictures of this report instead of a small one")
)

// browser is one headless Chromium, and what it complained about and asked for.
type browser struct {
	context.Context
	mu       sync.Mutex
	requests []string
	faults   []string
}

// startBrowser starts Chromium, or skips the test and says why.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short; a browser is slow to start")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine: apt-get install chromium")
	}
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900)}
	for _, f := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-default-browser-check", "allow-file-access-from-files"} {
		opts = append(opts, chromedp.Flag(f, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{}
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

func (b *browser) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *log.EventEntryAdded:
		b.faults = append(b.faults, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	}
}

func (b *browser) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("in the browser: %v; it complained: %q", err, b.faults)
	}
}

// eval returns what a script returns, having waited for its promise.
func eval[T any](t *testing.T, b *browser, script string) T {
	t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	b.must(t, err)
	return v
}

func send[P, R any](t *testing.T, b *browser, command cdp.Command[P, R], params P) {
	t.Helper()
	_, err := chromedp.Call(b, command, params)
	b.must(t, err)
}

// open shows a file at a width in a theme, and waits until all is drawn.
func (b *browser) open(t *testing.T, file string, width, height int64, theme string) {
	t.Helper()
	send(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	send(t, b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	send(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	b.must(t, chromedp.Do(b, chromedp.Navigate("file://"+file),
		chromedp.Poll[chromedp.Void](`document.body.dataset.ready === 'yes'`, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0))))
}

// check sees that the browser asked nobody but for the file, and had nothing
// to complain about.
func (b *browser) check(t *testing.T, file string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.requests {
		if u != "file://"+file && !strings.HasPrefix(u, "data:") {
			t.Errorf("the report asked for %s", u)
		}
	}
	for _, f := range b.faults {
		t.Errorf("the browser complained: %s", f)
	}
}

// smallReport is the page of a day with faults under every policy.
func smallReport(t *testing.T) string {
	t.Helper()
	o := allGates()
	o.Points = 300
	r, err := Compare(context.Background(), read(t, small), o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "out.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Page().Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// drawn counts the charts in which some pixels have colour.
const drawn = `[...document.querySelectorAll('.chart')].filter((box) => [...box.querySelectorAll('canvas')].some((c) =>
	c.width > 0 && c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 3 && v > 0))).length`

// firstDot brings the first decision of a chart into view and tells where it
// is; null when there is none.
const firstDot = `((title) => {
	const section = [...document.querySelectorAll('section')].find((s) => s.querySelector('h2').textContent === title);
	const box = section.querySelector('.chart'), chart = echarts.getInstanceByDom(box);
	const index = chart.getOption().series.findIndex((s) => s.markPoint && s.markPoint.data && s.markPoint.data.length);
	if (index < 0) return [];
	box.scrollIntoView({block: 'center'});
	const [x, y] = chart.convertToPixel({seriesIndex: index}, chart.getOption().series[index].markPoint.data[0].coord);
	const at = box.getBoundingClientRect();
	return [at.left + x, at.top + y];
})`

// clickFirstDot clicks the first decision of a chart as a reader would, and
// returns what the page then says below the chart.
func (b *browser) clickFirstDot(t *testing.T, title string) string {
	t.Helper()
	at := eval[[]float64](t, b, fmt.Sprintf("%s(%q)", firstDot, title))
	if len(at) != 2 {
		t.Fatalf("the chart %q has no decisions", title)
	}
	b.must(t, chromedp.Do(b, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]), chromedp.MouseClickXY(at[0], at[1])))
	return eval[string](t, b, fmt.Sprintf(`[...document.querySelectorAll('section')].find((s) => s.querySelector('h2').textContent === %q).querySelector('.reason').textContent`, title))
}

func TestReportIsDrawnInABrowserAndTellsReasons(t *testing.T) {
	b := startBrowser(t)
	file := smallReport(t)
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 375} {
			b.open(t, file, width, 900, theme)
			charts := eval[int](t, b, `document.querySelectorAll('.chart').length`)
			if n := eval[int](t, b, drawn); n != charts || charts < 8 {
				t.Errorf("%s, %d pixels: %d of %d charts are drawn", theme, width, n, charts)
			}
			if w := eval[int64](t, b, `document.documentElement.scrollWidth`); w > width {
				t.Errorf("%s: at %d pixels the page is %d wide", theme, width, w)
			}
		}
	}
	b.open(t, file, 1280, 900, "light")
	for title, subject := range map[string]string{"Brokers": "brokers", "Consumer replicas": "billing"} {
		said := b.clickFirstDot(t, title)
		if !strings.Contains(said, subject+": ") || !strings.Contains(said, "÷") && !strings.Contains(said, "need") {
			t.Errorf("a click on a decision of %q says %q, want what was changed and why", title, said)
		}
	}
	if why := eval[string](t, b, `[...document.querySelectorAll('table')].pop().textContent`); strings.Contains(why, "loop") {
		t.Error("the table of changes says that the loop made them instead of why")
	}
	b.check(t, file)
}

func TestReportHasNoAccessibilityFault(t *testing.T) {
	path := os.Getenv("TIDETABLE_AXE")
	if path == "" {
		path = "../.cache/axe/node_modules/axe-core/axe.min.js"
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Skip("axe-core is not installed: make axe")
	}
	b := startBrowser(t)
	file := smallReport(t)
	type findings struct {
		Violations []struct {
			ID, Impact, Help string
			Nodes            []struct{ HTML string }
		}
		Passes []struct{}
	}
	for _, theme := range []string{"light", "dark"} {
		b.open(t, file, 1280, 900, theme)
		b.must(t, chromedp.Do(b, chromedp.Evaluate[chromedp.Void](string(axe))))
		r := eval[findings](t, b, `axe.run().then((r) => ({Violations: r.violations.map((v) => ({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map((n) => ({HTML: n.html}))})), Passes: r.passes.map(() => ({}))}))`)
		if len(r.Passes) < 10 {
			t.Errorf("%s: only %d rules passed: axe did not look", theme, len(r.Passes))
		}
		for _, v := range r.Violations {
			t.Errorf("%s: %s (%s): %s: %.300s", theme, v.ID, v.Impact, v.Help, v.Nodes[0].HTML)
		}
	}
}

// TestReportMakesPictures writes the pictures in docs/img, when asked to.
func TestReportMakesPictures(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no -screenshots folder is given: make docs-report gives one")
	}
	b := startBrowser(t)
	file := *shownReport
	if file == "" {
		file = smallReport(t)
	}
	for _, shot := range []struct {
		name, theme   string
		width, height int64
		click         bool
	}{{"report.png", "light", 1280, 1500, true}, {"report-dark.png", "dark", 1280, 1500, false}, {"report-phone.png", "light", 390, 1500, false}} {
		b.open(t, file, shot.width, shot.height, shot.theme)
		if shot.click {
			b.clickFirstDot(t, "Brokers")
		}
		png, err := chromedp.Run(b, chromedp.CaptureScreenshot())
		b.must(t, err)
		if err := os.WriteFile(filepath.Join(*screenshots, shot.name), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
