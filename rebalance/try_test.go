package rebalance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

func TestTry(t *testing.T) {
	for _, n := range []int{1, 2} {
		f, _ := os.ReadFile(fmt.Sprintf("/tmp/planner/D%d.json", n))
		var s cluster.Snapshot
		if err := json.Unmarshal(f, &s); err != nil {
			t.Fatal(err)
		}
		debug = true
		t0 := time.Now()
		p, err := Planner{}.Plan(context.Background(), s, Options{EvacuateFenced: true})
		if err != nil {
			t.Fatal(err)
		}
		el := time.Since(t0)
		o, _ := os.Create(fmt.Sprintf("/tmp/planner/P%d.json", n))
		WriteReassignment(o, p.Moves)
		o.Close()
		fmt.Println(n, el, float64(p.BytesToMove), len(p.Moves))
	}
}
