package rebalance

import (
	"encoding/json"
	"testing"
	"time"
)

func TestProgressIsReadAsItWasEverWritten(t *testing.T) {
	want := Progress{State: Moving, BytesTotal: 8, BytesMoved: 3, MovesTotal: 2, MovesDone: 1, Rate: 5, ETASeconds: 90}
	now, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	first := `{"state":"moving","bytesTotal":8,"bytesMoved":3,"movesTotal":2,"movesDone":1,"bytesPerSecond":5,"etaNanoseconds":90000000000}`
	for _, text := range []string{string(now), first} {
		var got Progress
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want || got.ETA() != 90*time.Second {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
	}
}
