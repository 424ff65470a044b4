package act

import (
	"context"
	"testing"
	"time"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

func TestADayAndItsSimulationAgree(t *testing.T) {
	testbed.RequireKubernetes(t)
	requireSoak(t, "a whole day of eight minutes, whose timing is the result")
	ctx, cancel := context.WithTimeout(t.Context(), 16*time.Minute)
	defer cancel()
	r := recordDay(ctx, t)
	_ = r
}
