package archive

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/internal/shareddata"
	"github.com/tidetable/tidetable/metrics"
)

func TestReadTracePutsColumnsOnOneGrid(t *testing.T) {
	got, err := ReadTrace(strings.NewReader("timestamp,a,b\n" +
		"2026-03-01T00:00:00Z,1,\n" +
		"2026-03-01T00:05:00Z,2,20\n" +
		"2026-03-01T00:15:00Z,4,NaN\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Step != 5*time.Minute || got.Rows != 3 || len(got.Series) != 2 {
		t.Fatalf("step %s, rows %d, series %d; want 5m0s, 3, 2", got.Step, got.Rows, len(got.Series))
	}
	wantValues(t, got.Series[0], 1, 2, math.NaN(), 4)
	wantValues(t, got.Series[1], math.NaN(), 20, math.NaN(), math.NaN())
	if want := (metrics.Mended{NonFinite: 1, Missing: 4}); got.Mended != want {
		t.Errorf("mended %+v, want %+v", got.Mended, want)
	}
	if !got.Series[0].Start.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("start %s", got.Series[0].Start)
	}
	if s, ok := got.Column("b"); !ok || s.Labels["column"] != "b" {
		t.Errorf("column b: %v %v", s.Labels, ok)
	}
}

func TestReadTraceMendsAndCounts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		values     []float64
		mended     metrics.Mended
	}{
		{"unordered", "timestamp,v\n600,3\n0,1\n300,2\n", []float64{1, 2, 3}, metrics.Mended{Unordered: 1}},
		{"duplicates, the later row wins", "timestamp,v\n0,1\n300,2\n300,5\n600,3\n", []float64{1, 5, 3}, metrics.Mended{Duplicates: 1}},
		{"a duplicate without a value does not hide one", "timestamp,v\n0,1\n300,2\n300,\n600,3\n", []float64{1, 2, 3},
			metrics.Mended{Duplicates: 1}},
		{"missing rows", "timestamp,v\n0,1\n300,2\n600,3\n1500,6\n", []float64{1, 2, 3, math.NaN(), math.NaN(), 6}, metrics.Mended{Missing: 2}},
		{"infinite", "timestamp,v\n0,1\n300,+Inf\n600,3\n", []float64{1, math.NaN(), 3}, metrics.Mended{NonFinite: 1, Missing: 1}},
		{"jitter", "timestamp,v\n0,1\n301,2\n599,3\n900,4\n1203,5\n", []float64{1, 2, 3, 4, 5}, metrics.Mended{OffGrid: 3}},
		{"finer for a while", "timestamp,v\n0,1\n300,2\n600,3\n690,5\n900,4\n1200,5\n1500,6\n1800,7\n", []float64{1, 2, 4, 4, 5, 6, 7},
			metrics.Mended{OffGrid: 1}},
		{"CRLF, BOM, capitals and spaces", "\ufeffTimestamp, v\r\n0, 1\r\n60, 2\r\n", []float64{1, 2}, metrics.Mended{}},
		{"fractions of a second", "timestamp,v\n0.5,1\n1.0,2\n1.5,3\n", []float64{1, 2, 3}, metrics.Mended{}},
		{"an offset phase", "timestamp,v\n2026-03-01T00:02:30+01:00,1\n2026-03-01T00:07:30+01:00,2\n", []float64{1, 2}, metrics.Mended{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadTrace(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, got.Series[0], c.values...)
			if got.Mended != c.mended {
				t.Errorf("mended %+v, want %+v", got.Mended, c.mended)
			}
		})
	}
}

func TestReadTraceNamesTheLineOfAMistake(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"only a header", "timestamp,v\n", "no row below it"},
		{"one row", "timestamp,v\n0,1\n", "only one row"},
		{"one instant", "timestamp,v\n0,1\n0,2\n", "same timestamp"},
		{"no header", "0,1\n300,2\n", "line 1: the first column is \"0\""},
		{"no value column", "timestamp\n0\n", "line 1: there is no column beside timestamp"},
		{"semicolons", "timestamp;v\n0;1\n", "line 1: the fields are separated by semicolons"},
		{"column twice", "timestamp,v,v\n0,1,1\n", "line 1: column \"v\" is there twice"},
		{"column without a name", "timestamp,v,\n0,1,1\n", "line 1: column 3 has no name"},
		{"text for a number", "timestamp,v\n0,1\n300,many\n", "line 3, column \"v\": \"many\" is not a number"},
		{"out of range", "timestamp,v\n0,1e999\n", "line 2, column \"v\": 1e999 is out of range"},
		{"text for a time", "timestamp,v\nyesterday,1\n", "line 2: timestamp \"yesterday\" is neither RFC 3339"},
		{"no zone", "timestamp,v\n2026-03-01 00:00:00,1\n", "line 2: timestamp \"2026-03-01 00:00:00\" is neither RFC 3339"},
		{"milliseconds", "timestamp,v\n1772323200000,1\n", "Unix times are in seconds"},
		{"NaN for a time", "timestamp,v\nNaN,1\n", "line 2: timestamp \"NaN\" is not between"},
		{"no time", "timestamp,v\n,1\n", "line 2: the timestamp is empty"},
		{"short row", "timestamp,v,w\n0,1\n", "line 2: the row has another number of fields"},
		{"open quote", "timestamp,v\n0,\"1\n", "line 2"},
		{"one row far away", "timestamp,v\n0,1\n1,2\n2,3\n7000000000,4\n", "is a timestamp wrong?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadTrace(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has more than one line: %q", err)
			}
		})
	}
}

func TestReadTraceBoundsARow(t *testing.T) {
	for _, head := range []string{"timestamp,v\n0,1\n300,", "timestamp,v\n0,1\n300,\"\n"} {
		_, err := ReadTrace(&endless{head: head})
		if err == nil || !strings.Contains(err.Error(), "one element is larger than the limit of 16777216 bytes") {
			t.Errorf("error %v", err)
		}
	}
}

func TestReadTraceReadsRealTraces(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"bike_sharing.csv": time.Hour, "crane_0.csv": 5 * time.Minute, "nab_nyc_taxi.csv": 30 * time.Minute, "worldcup98.csv": 5 * time.Minute,
	} {
		f, err := os.Open(shareddata.Path(t, "data", "traces", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadTrace(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got.Step != step || got.Mended.OffGrid+got.Mended.Duplicates+got.Mended.Unordered != 0 {
			t.Errorf("%s: step %s (want %s), mended %+v", name, got.Step, step, got.Mended)
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add("timestamp,a,b\n2026-03-01T00:00:00Z,1,\n2026-03-01T00:05:00Z,2,NaN\n")
	f.Add("timestamp,v\n600,3\n0,1\n300,2\n300,\n")
	f.Add("timestamp,v\n0.25,1e-300\n-7,2\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range got.Series {
			if s.Step <= 0 || s.Len() == 0 || s.Len() != got.Series[0].Len() {
				t.Fatalf("step %s, length %d", s.Step, s.Len())
			}
			for _, v := range s.Values {
				if math.IsInf(v, 0) {
					t.Fatal("an infinite value came through")
				}
			}
		}
	})
}

func BenchmarkReadTrace(b *testing.B) {
	var text strings.Builder
	text.WriteString("timestamp")
	for c := range 100 {
		fmt.Fprintf(&text, ",c%d", c)
	}
	for r := range 28 * 288 {
		fmt.Fprintf(&text, "\n%d", 300*r)
		for c := range 100 {
			fmt.Fprintf(&text, ",%d.25", r+c)
		}
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadTrace(strings.NewReader(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}

func wantValues(t *testing.T, s metrics.Series, want ...float64) {
	t.Helper()
	if len(s.Values) != len(want) {
		t.Fatalf("values %v, want %v", s.Values, want)
	}
	for i, v := range s.Values {
		if v != want[i] && !(math.IsNaN(v) && math.IsNaN(want[i])) {
			t.Fatalf("values %v, want %v", s.Values, want)
		}
	}
}
