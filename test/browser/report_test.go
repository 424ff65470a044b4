package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/scenario"
)

var (
	reportPictures = flag.String("report-pictures", "", "write pictures of the report into this folder")
	shownReport    = flag.String("report", "", "take the pictures of this report instead of a small one")
)

// startBrowser is a browser that may read the report from its file.
func startBrowser(t *testing.T) *Browser {
	t.Helper()
	return Start(t, "allow-file-access-from-files")
}

// open shows a file at a width in a theme, and waits until all is drawn.
func open(t *testing.T, b *Browser, file string, width, height int64, theme string) {
	t.Helper()
	b.See(t, width, height, theme)
	b.Visit(t, "file://"+file)
}

// smallReport is the page of a day with faults under every policy.
func smallReport(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := scenario.Decode(text, "testdata/small.yaml", scenario.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	o := simulations.Options{Forecaster: controller.NewForecaster, Gates: gates.All, Points: 300}
	r, err := simulations.Compare(context.Background(), p, o)
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
func clickFirstDot(t *testing.T, b *Browser, title string) string {
	t.Helper()
	at := Eval[[]float64](t, b, fmt.Sprintf("%s(%q)", firstDot, title))
	if len(at) != 2 {
		t.Fatalf("the chart %q has no decisions", title)
	}
	b.Do(t, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]), chromedp.MouseClickXY(at[0], at[1]))
	return Eval[string](t, b,
		fmt.Sprintf(`[...document.querySelectorAll('section')]
			.find((s) => s.querySelector('h2').textContent === %q).querySelector('.reason').textContent`, title))
}

func TestReportIsDrawnInABrowserAndTellsReasons(t *testing.T) {
	b := startBrowser(t)
	file := smallReport(t)
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 375} {
			open(t, b, file, width, 900, theme)
			charts := Eval[int](t, b, `document.querySelectorAll('.chart').length`)
			if n := Eval[int](t, b, drawn); n != charts || charts < 8 {
				t.Errorf("%s, %d pixels: %d of %d charts are drawn", theme, width, n, charts)
			}
			if w := Eval[int64](t, b, `document.documentElement.scrollWidth`); w > width {
				t.Errorf("%s: at %d pixels the page is %d wide", theme, width, w)
			}
		}
	}
	open(t, b, file, 1280, 900, "light")
	for title, subject := range map[string]string{"Brokers": "brokers", "Consumer replicas": "billing"} {
		said := clickFirstDot(t, b, title)
		if !strings.Contains(said, subject+": ") || !strings.Contains(said, "÷") && !strings.Contains(said, "need") {
			t.Errorf("a click on a decision of %q says %q, want what was changed and why", title, said)
		}
	}
	if why := Eval[string](t, b, `[...document.querySelectorAll('table')].pop().textContent`); strings.Contains(why, "loop") {
		t.Error("the table of changes says that the loop made them instead of why")
	}
	b.Check(t, func(url string) bool { return url == "file://"+file })
}

func TestReportHasNoAccessibilityFault(t *testing.T) {
	path := os.Getenv("TIDETABLE_AXE")
	if path == "" {
		path = "../../.cache/axe/node_modules/axe-core/axe.min.js"
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
		open(t, b, file, 1280, 900, theme)
		b.Do(t, chromedp.Evaluate[chromedp.Void](string(axe)))
		r := Eval[findings](t, b,
			`axe.run().then((r) => ({
				Violations: r.violations.map((v) => ({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map((n) => ({HTML: n.html}))})),
				Passes: r.passes.map(() => ({})),
			}))`)
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
	if *reportPictures == "" {
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
	}{
		{"report.png", "light", 1280, 1500, true}, {"report-dark.png", "dark", 1280, 1500, false},
		{"report-phone.png", "light", 390, 1500, false},
	} {
		open(t, b, file, shot.width, shot.height, shot.theme)
		if shot.click {
			clickFirstDot(t, b, "Brokers")
		}
		png, err := chromedp.Run(b, chromedp.CaptureScreenshot())
		b.Must(t, err)
		if err := os.WriteFile(filepath.Join(*reportPictures, shot.name), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
