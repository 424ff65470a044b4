package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unsafe"

	"github.com/prometheus/client_golang/api"
	"github.com/prometheus/common/model"
)

// fastClient is the API client with its own decoder for range answers, which
// hold nearly all the bytes that are read: the generic one takes several times
// the CPU and allocates three times per sample. Everything else, and whatever
// the decoder does not understand, goes through the client as it is, so that
// errors stay its errors.
type fastClient struct{ next api.Client }

// received is what of an answer goes past the generic client.
type received struct {
	ranged  bool // a range query's
	matrix  model.Matrix
	decoded bool
	// partial says that the answer lacks something, in the server's words; "" where it
	// says nothing of the kind.
	partial string
}

type receivedKey struct{}

// emptyMatrix is what the generic client gets to decode instead.
var emptyMatrix = []byte(`{"status":"success","data":{"resultType":"matrix","result":[]}}`)

func (c fastClient) URL(ep string, args map[string]string) *url.URL { return c.next.URL(ep, args) }

func (c fastClient) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	resp, body, err := c.next.Do(ctx, req)
	answer, wanted := ctx.Value(receivedKey{}).(*received)
	if err != nil || !wanted || resp.StatusCode != http.StatusOK {
		return resp, body, err
	}
	*answer = received{ranged: answer.ranged, partial: partialOf(body)}
	if !answer.ranged {
		return resp, body, nil
	}
	if matrix, err := decodeMatrix(body); err == nil {
		answer.matrix, answer.decoded = matrix, true
		body = emptyMatrix
	}
	return resp, body, nil
}

// partialOf is what a server says that its answer lacks: a warning of Prometheus, Thanos,
// Cortex or Mimir, or VictoriaMetrics' isPartial. Remarks on the query itself, which
// Prometheus 3 gives as warnings, too, are none.
func partialOf(body []byte) string {
	if !bytes.Contains(body, []byte(`"warnings"`)) && !bytes.Contains(body, []byte(`"isPartial"`)) {
		return ""
	}
	var said struct {
		Warnings  []string `json:"warnings"`
		IsPartial bool     `json:"isPartial"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	for _, w := range said.Warnings {
		if !strings.HasPrefix(w, "PromQL ") {
			return w
		}
	}
	if said.IsPartial {
		return "isPartial is true"
	}
	return ""
}

var errShape = errors.New("not the shape of a range answer")

// decodeMatrix decodes the answer of a range query that succeeded. Any other
// text is errShape.
func decodeMatrix(body []byte) (model.Matrix, error) {
	d := &scanner{b: body}
	var out model.Matrix
	status, kind := "", ""
	err := d.object(func(key string) error {
		switch key {
		case "status":
			return d.text(&status)
		case "data":
			return d.object(func(key string) error {
				switch key {
				case "resultType":
					return d.text(&kind)
				case "result":
					return d.array(func() error {
						s, err := d.stream(out)
						out = append(out, s)
						return err
					})
				}
				return d.skip()
			})
		}
		return d.skip()
	})
	d.space()
	if err != nil || d.i != len(body) || status != "success" || kind != "matrix" {
		return nil, errShape
	}
	return out, nil
}

// scanner walks JSON bytes.
type scanner struct {
	b []byte
	i int
}

func (d *scanner) space() {
	for d.i < len(d.b) && (d.b[d.i] == ' ' || d.b[d.i] == '\n' || d.b[d.i] == '\t' || d.b[d.i] == '\r') {
		d.i++
	}
}

// is takes one byte if it comes next.
func (d *scanner) is(c byte) bool {
	d.space()
	if d.i < len(d.b) && d.b[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *scanner) object(member func(key string) error) error {
	if !d.is('{') {
		return errShape
	}
	if d.is('}') {
		return nil
	}
	for {
		var key string
		if err := d.text(&key); err != nil {
			return err
		}
		if !d.is(':') {
			return errShape
		}
		if err := member(key); err != nil {
			return err
		}
		if d.is(',') {
			continue
		}
		if d.is('}') {
			return nil
		}
		return errShape
	}
}

func (d *scanner) array(element func() error) error {
	if !d.is('[') {
		return errShape
	}
	if d.is(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if d.is(',') {
			continue
		}
		if d.is(']') {
			return nil
		}
		return errShape
	}
}

// text reads a string; one with escapes is left to encoding/json.
func (d *scanner) text(into *string) error {
	raw, err := d.quoted()
	if err != nil {
		return err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		*into = string(raw[1 : len(raw)-1])
		return nil
	}
	return json.Unmarshal(raw, into)
}

// quoted takes a string with its quotes.
func (d *scanner) quoted() ([]byte, error) {
	if !d.is('"') {
		return nil, errShape
	}
	from := d.i - 1
	for {
		n := bytes.IndexByte(d.b[d.i:], '"')
		if n < 0 {
			return nil, errShape
		}
		d.i += n + 1
		// The quote is escaped by an odd number of backslashes before it.
		slashes := 0
		for d.b[d.i-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return d.b[from:d.i], nil
		}
	}
}

// skip passes over one value of any kind.
func (d *scanner) skip() error {
	d.space()
	rest := json.NewDecoder(bytes.NewReader(d.b[d.i:]))
	var raw json.RawMessage
	if err := rest.Decode(&raw); err != nil {
		return errShape
	}
	d.i += int(rest.InputOffset())
	return nil
}

func (d *scanner) stream(before model.Matrix) (*model.SampleStream, error) {
	s := &model.SampleStream{Metric: model.Metric{}}
	err := d.object(func(key string) error {
		switch key {
		case "metric":
			return d.object(func(label string) error {
				var value string
				err := d.text(&value)
				s.Metric[model.LabelName(strings.Clone(label))] = model.LabelValue(value)
				return err
			})
		case "values":
			// Series of one answer are mostly of one length.
			if n := len(before); n > 0 {
				s.Values = make([]model.SamplePair, 0, len(before[n-1].Values))
			}
			return d.array(func() error {
				p, err := d.pair()
				s.Values = append(s.Values, p)
				return err
			})
		}
		return errShape // such as histograms: left to the generic client
	})
	return s, err
}

// pair reads [1772323200.5,"1.25"].
func (d *scanner) pair() (model.SamplePair, error) {
	var p model.SamplePair
	if !d.is('[') {
		return p, errShape
	}
	d.space()
	from := d.i
	for d.i < len(d.b) && d.b[d.i] != ',' && d.b[d.i] != ']' {
		d.i++
	}
	at, err := number(d.b[from:d.i])
	if err != nil || !(math.Abs(at) < 1e12) || !d.is(',') {
		return p, errShape
	}
	raw, err := d.quoted()
	if err != nil {
		return p, err
	}
	v, err := number(raw[1 : len(raw)-1])
	if err != nil || !d.is(']') {
		return p, errShape
	}
	p.Timestamp = model.Time(math.Round(at * 1000))
	p.Value = model.SampleValue(v)
	return p, nil
}

// number parses without copying the bytes into a string.
func number(b []byte) (float64, error) {
	b = bytes.TrimRight(b, " \t\r\n")
	if len(b) == 0 {
		return 0, errShape
	}
	return strconv.ParseFloat(unsafe.String(&b[0], len(b)), 64)
}
