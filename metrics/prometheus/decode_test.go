package prometheus

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/prometheus/common/model"
)

// generic is what the generic decoder makes of a range answer.
func generic(body []byte) (model.Matrix, error) {
	var answer struct {
		Status string
		Data   struct {
			ResultType string
			Result     model.Matrix
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" || answer.Data.ResultType != "matrix" {
		return nil, errShape
	}
	return answer.Data.Result, nil
}

var answers = []string{
	`{"status":"success","data":{"resultType":"matrix","result":[]}}`,
	`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"topic":"a","b":"c\"\\\u00e4\\"},` +
		`"values":[[1772323200,"1"],[1772323200.123,"1.5e-3"],[1772323201,"NaN"],[1772323202,"+Inf"],[1772323203,"-Inf"]]},{"metric":{},"values":[]}]}}`,
	` { "status" : "success" , "warnings":["x, \"y\""], "infos":[], ` +
		`"data" : { "stats":{"a":[1,{"b":null}]}, "resultType" : "matrix" , "result" : [ { "values" : [ [ 1772323200 , "1" ] ] , "metric" : { "a" : "b" } } ] } } ` + "\n",
	`{"data":{"result":[{"metric":{"a":"b"},"values":[[0,"0"]]}],"resultType":"matrix"},"status":"success"}`,
}

func TestTheDecoderAgreesWithTheGenericOne(t *testing.T) {
	for _, body := range answers {
		want, err := generic([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeMatrix([]byte(body))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v %v, want %v", body, got, err, want)
		}
	}
}

func TestTheDecoderLeavesWhatItDoesNotKnow(t *testing.T) {
	for _, body := range []string{
		"", "{", "[]", "null", `{"status":"error","error":"x"}`, `{"status":"success"}`,
		`{"status":"success","data":{"resultType":"vector","result":[]}}`,
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{}]]}]}}`,
		answers[1][:len(answers[1])-1], answers[1] + "x",
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,2]]}]}}`,
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[["1","2"]]}]}}`,
	} {
		if m, err := decodeMatrix([]byte(body)); err == nil {
			t.Errorf("%s: decoded as %v", body, m)
		}
	}
}

func FuzzDecodeMatrix(f *testing.F) {
	for _, body := range answers {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeMatrix(body)
		if err != nil {
			return
		}
		// Whatever it takes must at least not differ from the generic decoder
		// where that takes it too.
		if want, err := generic(body); err == nil && len(want) == len(got) {
			for i := range want {
				if len(want[i].Values) != len(got[i].Values) {
					t.Fatalf("%d samples, want %d", len(got[i].Values), len(want[i].Values))
				}
			}
		}
	})
}
