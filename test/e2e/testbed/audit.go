package testbed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Forbidden lists what the API server refused to a service account of this
// name, from its audit log.
func (k *Kubernetes) Forbidden(account string) ([]string, error) {
	log, err := os.Open(k.AuditLog)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	defer log.Close()
	var out []string
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Verb, RequestURI string
			User             struct{ Username string }
			ResponseStatus   struct{ Code int }
		}
		// The server may be writing the last line while it is read.
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.ResponseStatus.Code == 403 && strings.HasSuffix(e.User.Username, ":"+account) {
			out = append(out, e.Verb+" "+e.RequestURI)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return out, nil
}
