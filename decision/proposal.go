package decision

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// idBytes is how much of the hash names a proposal: 64 bits are enough for the
// few changes that a cluster sees, and can be read out over a telephone.
const idBytes = 8

// Named gives a proposal of a policy its ID: a hash of what it changes and of
// when it was first proposed. Its wording does not count.
func (p Proposal) Named(policy string, since time.Time) Proposal {
	content := []string{
		policy,
		string(p.Kind),
		p.Target,
		p.Group,
		strconv.Itoa(p.From),
		strconv.Itoa(p.To),
		since.UTC().Format(time.RFC3339Nano),
	}
	sum := sha256.Sum256([]byte(strings.Join(content, "\x00")))
	p.ID, p.Since = hex.EncodeToString(sum[:idBytes]), since
	return p
}

// Change is what a proposal changes, without its name and its wording: two with
// the same change are the same proposal.
func (p Proposal) Change() Proposal {
	return Proposal{Kind: p.Kind, Target: p.Target, From: p.From, To: p.To, Group: p.Group}
}
