package web

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

var (
	screenshots = flag.String("screenshots", "", "write screenshots of the page into this folder")
	fromPage    = flag.String("page", "", "take the screenshots of the page that is served here instead of made-up decisions")
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
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine: apt-get install chromium")
	}
	if testing.Short() {
		t.Skip("a browser is slow to start")
	}
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900)}
	for _, f := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-default-browser-check"} {
		opts = append(opts, chromedp.Flag(f, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{}
	err := chromedp.Listen(ctx, func(ev any) {
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
	})
	if err != nil {
		t.Skipf("Chromium is here and does not start: %v", err)
	}
	t.Cleanup(func() {
		// Chromium is asked to end, so that it has let go of its folder.
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

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	b.must(t, chromedp.Do(b, steps...))
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

// see sets the width, the theme and what else a reader may have set.
func (b *browser) see(t *testing.T, width, height int64, theme string) {
	t.Helper()
	send(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	send(t, b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	send(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// until waits for a condition of the page.
func until(condition string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0)) // the browser's own deadline counts
}

const (
	openFirst = `document.querySelector('#decisions details summary').click()`
	isOpen    = `document.querySelector('#decisions details[open] pre') !== null`
)

// check sees that the browser asked nobody but the server, and had nothing to
// complain about: no script fault, nothing blocked by the content policy.
func (b *browser) check(t *testing.T, origin string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.requests {
		if !strings.HasPrefix(u, origin+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("the page asked for %s", u)
		}
	}
	for _, f := range b.faults {
		t.Errorf("the browser complained: %s", f)
	}
}

// visit opens an address and waits until the page says that all is drawn.
func (b *browser) visit(t *testing.T, url string) {
	t.Helper()
	b.do(t, chromedp.Navigate(url), until(`document.body.dataset.ready === 'yes'`))
}

func serve(t *testing.T, opt Options) string {
	t.Helper()
	srv := httptest.NewServer(Handler(opt))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestBrowserShowsHostileNamesAsText(t *testing.T) {
	b := startBrowser(t)
	origin := serve(t, Options{Store: fixtureStore(true), OpenReading: true})
	b.see(t, 375, 812, "light")
	b.visit(t, origin+"/")
	b.do(t, chromedp.Evaluate[chromedp.Void](openFirst), until(isOpen))
	// Every signal is drawn once, so that its name reaches the chart.
	eval[bool](t, b, `[...document.querySelector('#signal').options].map((o) => { o.selected = true; o.parentElement.dispatchEvent(new Event('change', {bubbles: true})); }).length > 0`)
	text := eval[string](t, b, `document.body.textContent`)
	if eval[bool](t, b, `Boolean(window.pwned)`) {
		t.Error("a name ran as a script")
	}
	if n := eval[int](t, b, `document.querySelectorAll('main img, main script, main svg').length`); n > 0 {
		t.Errorf("names became %d elements", n)
	}
	for _, n := range hostileNames {
		if !strings.Contains(text, n) {
			t.Errorf("the page does not show %.60q", n)
		}
	}
	if width := eval[int](t, b, `document.documentElement.scrollWidth`); width > 375 {
		t.Errorf("at phone width the page is %d pixels wide: %s", width,
			eval[string](t, b, `[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > 376 && !e.closest('.scroll, pre')).map((e) => e.tagName + '#' + e.id + '.' + e.className).slice(0, 8).join(' ')`))
	}
	b.check(t, origin)
}

func TestBrowserIsReachableByKeyboardAndByLink(t *testing.T) {
	b := startBrowser(t)
	store := fixtureStore(false)
	origin := serve(t, Options{Store: store, OpenReading: true})
	old := store.list("claims", time.Time{}, 100)[40] // not among those the page lists at first
	b.visit(t, origin+"/#decision="+old.ID)
	b.do(t, until(isOpen))
	if open := eval[string](t, b, `document.activeElement.closest('details')?.dataset.id ?? ''`); open != old.ID {
		t.Errorf("the link opened %q, want %q", open, old.ID)
	}
	// Tab passes over every control that is enabled, none is out of reach.
	const name = `((e) => e.tagName + '#' + (e.id || (e.closest('[id]') || {}).id) + ':' + [...document.querySelectorAll(e.tagName)].indexOf(e))`
	b.visit(t, origin+"/?again")
	want := eval[[]string](t, b, `[...document.querySelectorAll('a, button:enabled, select, summary, [tabindex="0"]')].filter((e) => e.checkVisibility()).map(`+name+`)`)
	seen := map[string]bool{}
	for range 2 * len(want) {
		b.do(t, chromedp.KeyEvent("\t"))
		at := eval[string](t, b, `document.activeElement === document.body ? '' : `+name+`(document.activeElement)`)
		if at != "" && seen[at] {
			break
		}
		seen[at] = true
	}
	for _, w := range want {
		if !seen[w] {
			t.Errorf("%s cannot be reached by Tab", w)
		}
	}
	// Enter opens a decision.
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector('#decisions summary').focus()`), chromedp.KeyEvent("\r"), until(isOpen))
	if n := eval[int](t, b, `document.querySelectorAll('#decisions details[open] table').length`); n < 3 {
		t.Errorf("the opened decision has %d tables", n)
	}
	b.check(t, origin)
}

func TestBrowserHoldsAndApprovesOnlyWithRights(t *testing.T) {
	b := startBrowser(t)
	desk := NewDesk(nil, nil)
	store := fixtureStore(false)
	origin := serve(t, Options{Store: store, OpenReading: true, Reviewer: &fakeReviewer{}, Operator: desk})
	const disabled = `document.querySelector('#hold').disabled`
	b.visit(t, origin+"/")
	if !eval[bool](t, b, disabled) {
		t.Error("hold can be pressed by nobody in particular")
	}
	signIn := func(token string) {
		b.do(t, chromedp.Click(chromedp.CSS("#sign")), chromedp.WaitVisible(chromedp.CSS("#token")),
			chromedp.SendKeys(chromedp.CSS("#token"), token+"\r"), until(`document.querySelector('#who').textContent.includes('@')`))
	}
	signIn("bob-token")
	if !eval[bool](t, b, disabled) {
		t.Error("hold can be pressed by a reader")
	}
	b.do(t, chromedp.Click(chromedp.CSS("#sign")), until(`document.querySelector('#who').textContent === ''`))
	signIn("ann-token")
	b.do(t, until(`!`+disabled), chromedp.Click(chromedp.CSS("#hold")), chromedp.WaitVisible(chromedp.CSS("#reason")),
		chromedp.SendKeys(chromedp.CSS("#reason"), "quarter close\r"), until(`document.querySelector('#done').textContent.startsWith('Hold: done')`))
	if got := strings.Join(desk.Holders(), ","); got != "claims page/ann@example.org" {
		t.Errorf("held: %q", got)
	}
	last, _, _ := store.latest("claims")
	b.do(t, chromedp.Evaluate[chromedp.Void](openFirst), until(isOpen),
		chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('#decisions details[open] button')].find((e) => e.textContent.startsWith('Approve')).click()`),
		chromedp.WaitVisible(chromedp.CSS("#ask-ok")), chromedp.Click(chromedp.CSS("#ask-ok")),
		until(`document.querySelector('#done').textContent.startsWith('Approve: done')`))
	if by, ok, _ := desk.Policy("claims").Approved(t.Context(), last.Proposals[0]); !ok || by != "ann@example.org" {
		t.Errorf("approved by %q, %v", by, ok)
	}
	if kept := eval[string](t, b, `JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])`); kept != `[[],[],""]` {
		t.Errorf("the browser keeps %s", kept)
	}
	b.check(t, origin)
}

// axePath finds axe-core where "make axe" puts it.
func axePath(t *testing.T) string {
	for _, p := range []string{os.Getenv("TIDETABLE_AXE"), "../../.cache/axe/node_modules/axe-core/axe.min.js"} {
		if p == "" {
			continue
		}
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Skip("axe-core is not installed: make axe")
	return ""
}

func TestBrowserFindsNoAccessibilityFault(t *testing.T) {
	axe, err := os.ReadFile(axePath(t))
	if err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	origin := serve(t, Options{Store: fixtureStore(false), OpenReading: true, Reviewer: &fakeReviewer{}, Operator: NewDesk(nil, nil)})
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 375} {
			type findings struct {
				Violations []struct {
					ID     string `json:"id"`
					Impact string `json:"impact"`
					Help   string `json:"help"`
					Nodes  []struct {
						HTML string `json:"html"`
					} `json:"nodes"`
				} `json:"violations"`
				Passes []struct{} `json:"passes"`
			}
			b.see(t, width, 900, theme)
			b.visit(t, fmt.Sprintf("%s/?%s%d", origin, theme, width))
			b.do(t, chromedp.Evaluate[chromedp.Void](openFirst), until(isOpen), chromedp.Evaluate[chromedp.Void](string(axe)))
			result := eval[findings](t, b, `axe.run().then((r) => ({violations: r.violations, passes: r.passes}))`)
			if len(result.Passes) < 10 {
				t.Errorf("%s, %d pixels: only %d rules passed: axe did not look", theme, width, len(result.Passes))
			}
			for _, v := range result.Violations {
				t.Errorf("%s, %d pixels: %s (%s): %s: %.300s", theme, width, v.ID, v.Impact, v.Help, v.Nodes[0].HTML)
			}
		}
	}
	b.check(t, origin)
}

// TestBrowserMakesScreenshots writes the pictures in docs/img, when asked to,
// from a page that is being served, such as by tidetable demo --serve.
func TestBrowserMakesScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no -screenshots folder is given: make docs-page gives one")
	}
	b := startBrowser(t)
	origin := *fromPage
	if origin == "" {
		store := fixtureStore(false)
		origin = serve(t, Options{Store: store, OpenReading: true, Now: func() time.Time { return store.Latest().Add(12 * time.Second) }})
	}
	for _, shot := range []struct {
		file, theme   string
		width, height int64
		open          bool
	}{{"page.png", "light", 1280, 1000, false}, {"page-dark.png", "dark", 1280, 1000, false}, {"page-phone.png", "light", 390, 844, false}, {"page-decision.png", "light", 1280, 1100, true}} {
		b.see(t, shot.width, shot.height, shot.theme)
		b.visit(t, origin+"/?"+shot.file)
		if shot.open {
			b.do(t, chromedp.Evaluate[chromedp.Void](openFirst), until(isOpen),
				chromedp.Evaluate[chromedp.Void](`document.querySelector('#decisions details').scrollIntoView()`))
		}
		b.do(t, chromedp.Sleep(300*time.Millisecond))
		png, err := chromedp.Run(b, chromedp.CaptureScreenshot())
		b.must(t, err)
		if err := os.WriteFile(filepath.Join(*screenshots, shot.file), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.check(t, origin)
}
