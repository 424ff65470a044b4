package browser

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidetable/tidetable/adapters/web"
	"github.com/tidetable/tidetable/adapters/web/webtest"
)

var (
	pagePictures = flag.String("page-pictures", "", "write screenshots of the page into this folder")
	fromPage     = flag.String("page", "", "take the screenshots of the page that is served here instead of made-up decisions")
)

const (
	openFirst = `document.querySelector('#decisions details summary').click()`
	isOpen    = `document.querySelector('#decisions details[open] pre') !== null`
)

// fixtureStore keeps a day of decisions.
func fixtureStore(hostile bool) *web.Store {
	s := web.NewStore(0)
	for _, d := range webtest.Decisions(hostile) {
		s.Add(d)
	}
	return s
}

// reviewer knows ann, who may do everything, and bob, who may read.
type reviewer struct{}

func (reviewer) WhoIs(_ context.Context, token string) (web.User, error) {
	switch token {
	case "ann-token":
		return web.User{Name: "ann@example.org", Groups: []string{"oncall"}}, nil
	case "bob-token":
		return web.User{Name: "bob@example.org"}, nil
	}
	return web.User{}, errors.New("token " + token + " is not valid")
}

func (reviewer) May(_ context.Context, u web.User, verb, _ string) (bool, error) {
	return u.Name == "ann@example.org" || verb == "get", nil
}

// from tells the addresses of the server that the page came from.
func from(origin string) func(string) bool {
	return func(url string) bool { return strings.HasPrefix(url, origin+"/") }
}

func serve(t *testing.T, opt web.Options) string {
	t.Helper()
	srv := httptest.NewServer(web.Handler(opt))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestBrowserShowsHostileNamesAsText(t *testing.T) {
	b := Start(t)
	origin := serve(t, web.Options{Store: fixtureStore(true), OpenReading: true})
	b.See(t, 375, 812, "light")
	b.Visit(t, origin+"/")
	b.Do(t, chromedp.Evaluate[chromedp.Void](openFirst), Until(isOpen))
	// Every signal is drawn once, so that its name reaches the chart.
	Eval[bool](
		t,
		b,
		`[...document.querySelector('#signal').options].map((o) => { o.selected = true; `+
			`o.parentElement.dispatchEvent(new Event('change', {bubbles: true})); }).length > 0`,
	)
	text := Eval[string](t, b, `document.body.textContent`)
	if Eval[bool](t, b, `Boolean(window.pwned)`) {
		t.Error("a name ran as a script")
	}
	if n := Eval[int](t, b, `document.querySelectorAll('main img, main script, main svg').length`); n > 0 {
		t.Errorf("names became %d elements", n)
	}
	for _, n := range webtest.HostileNames {
		if !strings.Contains(text, n) {
			t.Errorf("the page does not show %.60q", n)
		}
	}
	if width := Eval[int](t, b, `document.documentElement.scrollWidth`); width > 375 {
		t.Errorf(
			"at phone width the page is %d pixels wide: %s",
			width,
			Eval[string](
				t,
				b,
				`[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > 376 && !e.closest('.scroll, pre'))`+
					`.map((e) => e.tagName + '#' + e.id + '.' + e.className).slice(0, 8).join(' ')`,
			),
		)
	}
	b.Check(t, from(origin))
}

func TestBrowserSaysWhatComesNextAndWhatItCosts(t *testing.T) {
	b := Start(t)
	origin := serve(t, web.Options{Store: fixtureStore(false), OpenReading: true})
	b.Visit(t, origin+"/")
	b.Do(t, Until(`document.querySelector('#scheduled table') !== null`))
	said := Eval[string](t, b, `document.querySelector('#scheduled').textContent`)
	for _, want := range []string{"7 → 9", "13.90 USD", "460.80 USD for brokers", "-1 at ", "would save 14.20 USD and cost 22.10 USD: not worth it"} {
		if !strings.Contains(said, want) {
			t.Errorf("the page says %q, want %q in it", said, want)
		}
	}
	b.Check(t, from(origin))
}

func TestBrowserIsReachableByKeyboardAndByLink(t *testing.T) {
	b := Start(t)
	store := fixtureStore(false)
	origin := serve(t, web.Options{Store: store, OpenReading: true})
	old := webtest.Decisions(false)[7] // not among those the page lists at first
	b.Visit(t, origin+"/#decision="+old.ID)
	b.Do(t, Until(isOpen))
	if open := Eval[string](t, b, `document.activeElement.closest('details')?.dataset.id ?? ''`); open != old.ID {
		t.Errorf("the link opened %q, want %q", open, old.ID)
	}
	// Tab passes over every control that is enabled, none is out of reach.
	const name = `((e) => e.tagName + '#' + (e.id || (e.closest('[id]') || {}).id) + ':' + ` +
		`[...document.querySelectorAll(e.tagName)].indexOf(e))`
	b.Visit(t, origin+"/?again")
	want := Eval[[]string](
		t,
		b,
		`[...document.querySelectorAll('a, button:enabled, select, summary, [tabindex="0"]')].filter((e) => e.checkVisibility()).map(`+name+`)`,
	)
	seen := map[string]bool{}
	for range 2 * len(want) {
		b.Do(t, chromedp.KeyEvent("\t"))
		at := Eval[string](t, b, `document.activeElement === document.body ? '' : `+name+`(document.activeElement)`)
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
	b.Do(
		t,
		chromedp.Evaluate[chromedp.Void](`document.querySelector('#decisions summary').focus()`),
		chromedp.KeyEvent("\r"),
		Until(isOpen),
	)
	if n := Eval[int](t, b, `document.querySelectorAll('#decisions details[open] table').length`); n < 3 {
		t.Errorf("the opened decision has %d tables", n)
	}
	b.Check(t, from(origin))
}

func TestBrowserHoldsAndApprovesOnlyWithRights(t *testing.T) {
	b := Start(t)
	desk := web.NewDesk(nil, nil)
	store := fixtureStore(false)
	origin := serve(t, web.Options{Store: store, OpenReading: true, Reviewer: reviewer{}, Operator: desk})
	const disabled = `document.querySelector('#hold').disabled`
	b.Visit(t, origin+"/")
	if !Eval[bool](t, b, disabled) {
		t.Error("hold can be pressed by nobody in particular")
	}
	signIn := func(token string) {
		b.Do(
			t,
			chromedp.Click(chromedp.CSS("#sign")),
			chromedp.WaitVisible(chromedp.CSS("#token")),
			chromedp.SendKeys(
				chromedp.CSS("#token"),
				token+"\r",
			),
			Until(`document.querySelector('#who').textContent.includes('@')`),
		)
	}
	signIn("bob-token")
	if !Eval[bool](t, b, disabled) {
		t.Error("hold can be pressed by a reader")
	}
	b.Do(t, chromedp.Click(chromedp.CSS("#sign")), Until(`document.querySelector('#who').textContent === ''`))
	signIn("ann-token")
	b.Do(
		t,
		Until(`!`+disabled),
		chromedp.Click(chromedp.CSS("#hold")),
		chromedp.WaitVisible(chromedp.CSS("#reason")),
		chromedp.SendKeys(
			chromedp.CSS("#reason"),
			"quarter close\r",
		),
		Until(`document.querySelector('#done').textContent.startsWith('Hold: done')`),
	)
	if got := strings.Join(desk.Holders(), ","); got != "claims page/ann@example.org" {
		t.Errorf("held: %q", got)
	}
	all := webtest.Decisions(false)
	last := all[len(all)-1]
	b.Do(
		t,
		chromedp.Evaluate[chromedp.Void](openFirst),
		Until(isOpen),
		chromedp.Evaluate[chromedp.Void](
			`[...document.querySelectorAll('#decisions details[open] button')].find((e) => e.textContent.startsWith('Approve')).click()`,
		),
		chromedp.WaitVisible(chromedp.CSS("#ask-ok")),
		chromedp.Click(chromedp.CSS("#ask-ok")),
		Until(`document.querySelector('#done').textContent.startsWith('Approve: done')`),
	)
	if by, ok, _ := desk.Policy("claims").Approved(t.Context(), last.Proposals[0]); !ok || by != "ann@example.org" {
		t.Errorf("approved by %q, %v", by, ok)
	}
	if kept := Eval[string](t, b,
		`JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])`); kept != `[[],[],""]` {
		t.Errorf("the browser keeps %s", kept)
	}
	b.Check(t, from(origin))
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
	b := Start(t)
	origin := serve(t, web.Options{Store: fixtureStore(false), OpenReading: true, Reviewer: reviewer{}, Operator: web.NewDesk(nil, nil)})
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
			b.See(t, width, 900, theme)
			b.Visit(t, fmt.Sprintf("%s/?%s%d", origin, theme, width))
			b.Do(t, chromedp.Evaluate[chromedp.Void](openFirst), Until(isOpen), chromedp.Evaluate[chromedp.Void](string(axe)))
			result := Eval[findings](t, b, `axe.run().then((r) => ({violations: r.violations, passes: r.passes}))`)
			if len(result.Passes) < 10 {
				t.Errorf("%s, %d pixels: only %d rules passed: axe did not look", theme, width, len(result.Passes))
			}
			for _, v := range result.Violations {
				t.Errorf("%s, %d pixels: %s (%s): %s: %.300s", theme, width, v.ID, v.Impact, v.Help, v.Nodes[0].HTML)
			}
		}
	}
	b.Check(t, from(origin))
}

// TestBrowserMakesScreenshots writes the pictures in docs/img, when asked to,
// from a page that is being served, such as by tidetable demo --serve.
func TestBrowserMakesScreenshots(t *testing.T) {
	if *pagePictures == "" {
		t.Skip("no -screenshots folder is given: make docs-page gives one")
	}
	b := Start(t)
	origin := *fromPage
	if origin == "" {
		store := fixtureStore(false)
		origin = serve(t, web.Options{Store: store, OpenReading: true, Now: func() time.Time { return store.Latest().Add(12 * time.Second) }})
	}
	for _, shot := range []struct {
		file, theme   string
		width, height int64
		open          bool
	}{{"page.png", "light", 1280, 1000, false}, {"page-dark.png", "dark", 1280, 1000, false},
		{"page-phone.png", "light", 390, 844, false}, {"page-decision.png", "light", 1280, 1100, true}} {
		b.See(t, shot.width, shot.height, shot.theme)
		b.Visit(t, origin+"/?"+shot.file)
		if shot.open {
			b.Do(t, chromedp.Evaluate[chromedp.Void](openFirst), Until(isOpen),
				chromedp.Evaluate[chromedp.Void](`document.querySelector('#decisions details').scrollIntoView()`))
		}
		b.Do(t, chromedp.Sleep(300*time.Millisecond))
		png, err := chromedp.Run(b, chromedp.CaptureScreenshot())
		b.Must(t, err)
		if err := os.WriteFile(filepath.Join(*pagePictures, shot.file), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.Check(t, from(origin))
}
