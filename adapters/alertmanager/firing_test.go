package alertmanager

import (
	"strings"
	"testing"
)

func TestWhatFiresIsBoundedWhileItIsRead(t *testing.T) {
	alert := `{"fingerprint":"a","startsAt":"2026-03-01T12:00:00Z","labels":{"alertname":"x"}}`
	got, err := readFiring(strings.NewReader("[" + alert + "," + alert + "]"))
	if err != nil || len(got) != 2 || got[0].Labels["alertname"] != "x" {
		t.Errorf("%v, %v", got, err)
	}
	endless := strings.NewReader("[{}" + strings.Repeat(",{}", 1<<20))
	if _, err := readFiring(endless); err == nil || !strings.Contains(err.Error(), "more than 10000 alerts") || endless.Len() == 0 {
		t.Errorf("a million alerts: %v, %d bytes unread", err, endless.Len())
	}
	for _, text := range []string{"", "{}", "[", "[{}", `["x"]`} {
		if _, err := readFiring(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for a list of alerts", text)
		}
	}
}

func FuzzReadFiring(f *testing.F) {
	f.Add(`[{"fingerprint":"a","startsAt":"2026-03-01T12:00:00Z","labels":{"alertname":"x"}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readFiring(strings.NewReader(text))
		if len(all) > maxFiring || err != nil && all != nil {
			t.Errorf("%d alerts, %v", len(all), err)
		}
	})
}
