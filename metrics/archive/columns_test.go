package archive

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

func TestColumnNamesAreReadBack(t *testing.T) {
	for _, l := range []metrics.Labels{{}, {"topic": "orders"}, {"group": "a b", "topic": `we"ird,\n`, "partition": "3"}} {
		signal, got, ok := ParseColumn(ColumnName(metrics.GroupLag, l))
		if !ok || signal != metrics.GroupLag || got.Key() != l.Key() {
			t.Errorf("%s: %v %v %v", ColumnName(metrics.GroupLag, l), signal, got, ok)
		}
	}
	for _, name := range []string{"requests per second", "", "{", `a{b="c"`} {
		if _, _, ok := ParseColumn(name); ok {
			t.Errorf("%q was taken for a signal", name)
		}
	}
}

func TestATraceIsReadBackAsItWasWritten(t *testing.T) {
	w := metrics.Window{From: start, To: start.Add(10 * time.Minute), Step: 5 * time.Minute}
	series := []metrics.Series{
		{Signal: metrics.TopicBytesIn, Labels: metrics.Labels{"topic": `a,"b`}, Start: start, Step: w.Step,
			Values: []float64{1.5, math.NaN(), 1e-9}},
		{Signal: metrics.TopicBytesIn, Labels: metrics.Labels{"topic": "c"}, Start: start, Step: w.Step, Values: []float64{4, 5, 6}},
		{Labels: metrics.Labels{"column": "mine"}, Start: start, Step: w.Step, Values: []float64{7, 8, 9}},
	}
	var text bytes.Buffer
	if err := WriteTrace(&text, series); err != nil {
		t.Fatal(err)
	}
	trace, err := ReadTrace(&text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := trace.History(t.Context(), metrics.TopicBytesIn, w)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	for i, s := range got {
		if s.Labels.Key() != series[i].Labels.Key() || fmt.Sprint(s.Values) != fmt.Sprint(series[i].Values) || !s.Start.Equal(start) {
			t.Errorf("%v %v, want %v %v", s.Labels, s.Values, series[i].Labels, series[i].Values)
		}
	}
	if s, ok := trace.Column("mine"); !ok || s.Values[2] != 9 {
		t.Errorf("column mine: %v %v", s, ok)
	}
	series[1].Step = time.Minute
	if err := WriteTrace(&text, series); err == nil || !strings.Contains(err.Error(), "another grid") {
		t.Errorf("error %v", err)
	}
}

func TestTheJSONOfARangeQueryIsATrace(t *testing.T) {
	const text = `{"status":"success","data":{"resultType":"matrix","result":[
	 {"metric":{"__name__":"up","job":"kafka"},"values":[[1772323200,"1"],[1772323260.0,"NaN"],[1772323320,"3"]]},
	 {"metric":{"topic":"a"},"values":[[1772323260,"5e3"]]}]}}`
	got, err := ReadTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got.Step != time.Minute || got.Mended.NonFinite != 1 {
		t.Errorf("step %s, mended %+v", got.Step, got.Mended)
	}
	up, ok := got.Column(`up{job="kafka"}`)
	if !ok {
		t.Fatalf("columns %v", got.Series)
	}
	wantValues(t, up, 1, math.NaN(), 3)
	a, ok := got.Column(`{topic="a"}`)
	if !ok {
		t.Fatalf("columns %v", got.Series)
	}
	wantValues(t, a, math.NaN(), 5000, math.NaN())
	for in, want := range map[string]string{
		text[:100]: "ends in the middle",
		`{"status":"error","error":"too many samples"}`:                              "an answer that failed: too many samples",
		`{"status":"success","data":{"resultType":"vector","result":[]}}`:            `of a "vector"`,
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`:            "no series",
		strings.Replace(text, `"1"`, `"one"`, 1):                                     `"one" is not a number`,
		strings.Replace(text, `"1"`, `1`, 1):                                         "not a value in quotes",
		strings.Replace(text, `{"topic":"a"}`, `{"__name__":"up","job":"kafka"}`, 1): "is there twice",
	} {
		if _, err := ReadTrace(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
