package journal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ReadAnchor reads an anchor from what holds one outside the journal's disk: a
// policy object with its status, as "kubectl get kafkacapacitypolicy NAME --output
// json" gives it; an entry of the journal, such as the last of its Kafka topic; a
// ConfigMap with the anchor or the entry under "anchor"; or the document beside a
// journal. With a key an entry must be signed by it.
func ReadAnchor(r io.Reader, key ed25519.PublicKey) (Anchor, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxEntryBytes+1))
	if err != nil {
		return Anchor{}, fmt.Errorf("reading an anchor: %w", err)
	}
	text = bytes.TrimSpace(text)
	if a, err := ParseAnchor(string(text)); err == nil {
		return a, nil
	}
	// Of several lines, as a consumer of the topic prints them, the last counts.
	if last := text[bytes.LastIndexByte(text, '\n')+1:]; bytes.HasPrefix(last, []byte(`{"v":1,"seq":`)) {
		return anchorOfEntry(last, key)
	}
	var doc struct {
		Anchor Anchor            `json:"anchor"`
		Data   map[string]string `json:"data"`
		Status struct {
			Journal struct {
				Sequence uint64 `json:"sequence"`
				Hash     string `json:"hash"`
			} `json:"journal"`
		} `json:"status"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return Anchor{}, errors.New("reading an anchor: it is neither SEQ:HASH nor an object, an entry or a document that holds one")
	}
	switch {
	case doc.Status.Journal.Sequence > 0:
		return ParseAnchor(Anchor{Seq: doc.Status.Journal.Sequence, Hash: doc.Status.Journal.Hash}.String())
	case doc.Data["anchor"] != "":
		return ReadAnchor(bytes.NewReader([]byte(doc.Data["anchor"])), key)
	case doc.Anchor.Seq > 0:
		return ParseAnchor(doc.Anchor.String())
	}
	return Anchor{}, errors.New("reading an anchor: the document holds none: no status.journal, data.anchor or anchor")
}

// anchorOfEntry is the anchor that an entry is, once its own hash holds and, with
// a key, its signature does.
func anchorOfEntry(line []byte, key ed25519.PublicKey) (Anchor, error) {
	f, err := parseFrame(bytes.TrimSpace(line))
	if err != nil {
		return Anchor{}, fmt.Errorf("reading an entry as an anchor: %w", err)
	}
	if key != nil {
		if digest := sha256.Sum256(f.signed); f.sig == "" || !signatureHolds(key, digest[:], f.sig) {
			return Anchor{}, fmt.Errorf("reading entry %d as an anchor: it is not signed by the key that was given", f.seq)
		}
	}
	return Anchor{Seq: f.seq, Hash: f.hash}, nil
}
