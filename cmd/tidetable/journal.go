package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/internal/files"
)

func newJournalCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "journal",
		Short:   "verify and read the audit journal",
		Example: "  tidetable journal verify /var/lib/tidetable/journal.jsonl\n  tidetable journal show --last 20 journal.jsonl",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newJournalShowCmd(), newJournalVerifyCmd())
	return cmd
}

func newJournalVerifyCmd() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "check that no entry was altered, removed, inserted, moved or cut off",
		Long: "verify checks the chain of hashes through FILE and the rotated files before it,\n" +
			"and names the first entry for which it does not hold (exit code 1).\n\n" +
			"A chain cannot show by itself that its end was cut off. What vouches for the\n" +
			"end is the anchor that the writer keeps in FILE.anchor, or one from elsewhere.\n" +
			"Whoever can write FILE can write FILE.anchor, too: in an audit give the one from\n" +
			"elsewhere. --anchor takes SEQ:HASH (the controller exports it as a metric), or a\n" +
			"file: the policy object with its status, an entry of the journal's topic, or a\n" +
			"ConfigMap that holds one of them under \"anchor\". --anchor-topic reads the topic's\n" +
			"last entry itself; with --public-key it must be signed.\n" +
			"Without any the end is unproven and verify exits 3; --anchor none accepts it.",
		Example: "  tidetable journal verify journal.jsonl\n" +
			"  tidetable journal verify journal.jsonl --anchor 4711:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n" +
			"  kubectl get kafkacapacitypolicy claims --output json | tidetable journal verify journal.jsonl --anchor -\n" +
			"  tidetable journal verify journal.jsonl --public-key journal.pub.pem --anchor-topic tidetable-journal --bootstrap kafka:9092",
		Args: cobra.ExactArgs(1),
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.anchors, "anchor", nil, "an entry known from elsewhere: SEQ:HASH, or a file that holds one (- for stdin); "+
		"may be given again; \"none\" accepts a file whose end nothing vouches for")
	fl.StringVar(&f.topic, "anchor-topic", "", "the Kafka topic that the journal is copied to; its last entry is an anchor")
	fl.StringVar(&f.publicKey, "public-key", "", "PEM file of an Ed25519 public key: every entry must be signed with it")
	f.kafka = addKafkaFlags(cmd)
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt, err := f.options(cmd.Context(), cmd.InOrStdin())
		if err != nil {
			return err
		}
		report, err := journal.Verify(cmd.Context(), args[0], opt)
		if err != nil {
			return err
		}
		if *out == "json" {
			if err := writeJSON(cmd.OutOrStdout(), report); err != nil {
				return err
			}
		} else if report.OK {
			printVerified(cmd.OutOrStdout(), report)
		}
		switch {
		case report.Broken == nil:
			return nil
		case report.Broken.Problem == journal.Unanchored:
			return unprovenError{report.Broken}
		default:
			return foundError{report.Broken}
		}
	}
	return cmd
}

// verifyFlags say what vouches for a journal.
type verifyFlags struct {
	anchors          []string
	topic, publicKey string
	kafka            *kafkaFlags
}

func (f *verifyFlags) options(ctx context.Context, stdin io.Reader) (opt journal.VerifyOptions, err error) {
	if f.publicKey != "" {
		if opt.PublicKey, err = journal.LoadPublicKey(f.publicKey); err != nil {
			return opt, err
		}
	}
	for _, s := range f.anchors {
		if s == "none" {
			opt.AcceptOpenEnd = true
			continue
		}
		a, err := journal.ParseAnchor(s)
		if err != nil {
			if a, err = readAnchorFile(s, stdin, opt.PublicKey, err); err != nil {
				return opt, err
			}
		}
		opt.Anchors = append(opt.Anchors, a)
	}
	if f.topic != "" {
		connection, err := f.kafka.options()
		if err != nil {
			return opt, err
		}
		a, err := journal.TopicHead(ctx, f.topic, opt.PublicKey, connection...)
		if err != nil {
			return opt, err
		}
		opt.Anchors = append(opt.Anchors, a)
	}
	return opt, nil
}

// readAnchorFile reads the anchor in a file; what is none, and no SEQ:HASH, is
// told as the latter's mistake.
func readAnchorFile(path string, stdin io.Reader, key ed25519.PublicKey, notOne error) (journal.Anchor, error) {
	in, err := files.Open(path, stdin, journal.MaxEntryBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return journal.Anchor{}, fmt.Errorf("%w; and there is no file of that name", notOne)
	}
	if err != nil {
		return journal.Anchor{}, err
	}
	defer in.Close()
	a, err := journal.ReadAnchor(in, key)
	if err != nil {
		return journal.Anchor{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func printVerified(w io.Writer, r journal.Report) {
	fmt.Fprintf(w, "the chain holds: %d entries in %d file(s), the last one is %s\n", r.Entries, len(r.Files), r.Last)
	if r.Signatures > 0 {
		fmt.Fprintf(w, "%d signatures hold\n", r.Signatures)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
}

func newJournalShowCmd() *cobra.Command {
	var kind, decision string
	var since uint64
	var last int
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "print the entries of a journal",
		Long: "show prints the entries of FILE and of the rotated files before it. It checks each\n" +
			"entry's own hash; journal verify checks the chain. JSON is one entry a line.",
		Example: "  tidetable journal show journal.jsonl --kind approval\n  tidetable journal show journal.jsonl --last 5 --output json",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only entries of this kind, such as decision, approval or recovery")
	cmd.Flags().StringVar(&decision, "decision", "", "only the decision with this id, and what belongs to it")
	cmd.Flags().Uint64Var(&since, "since", 0, "from this sequence number on")
	cmd.Flags().IntVar(&last, "last", 0, "only the last N entries; 0 is all")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if last < 0 {
			return fmt.Errorf("--last is %d: want 0 for all entries, or how many", last)
		}
		keep := func(e journal.Entry) bool {
			return (kind == "" || string(e.Kind) == kind) && (decision == "" || belongsTo(e, decision))
		}
		entries, err := readEntries(cmd.Context(), args[0], since, last, keep)
		if err != nil {
			return err
		}
		if *out == "json" {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetEscapeHTML(false)
			for _, e := range entries {
				if err := enc.Encode(e); err != nil {
					return err
				}
			}
			return nil
		}
		t := table.NewWriter()
		t.SetOutputMirror(cmd.OutOrStdout())
		t.SetStyle(table.StyleLight)
		t.AppendHeader(table.Row{"seq", "time", "kind", "by", "what"})
		for _, e := range entries {
			t.AppendRow(table.Row{e.Seq, e.Time.Format(time.RFC3339), e.Kind, printable(e.By), printable(summary(e))})
		}
		t.Render()
		return nil
	}
	return cmd
}

func readEntries(ctx context.Context, path string, since uint64, last int, keep func(journal.Entry) bool) ([]journal.Entry, error) {
	var entries []journal.Entry
	err := journal.Read(ctx, path, since, func(e journal.Entry) error {
		if !keep(e) {
			return nil
		}
		entries = append(entries, e)
		if last > 0 && len(entries) > 2*last {
			entries = append(entries[:0], entries[len(entries)-last:]...)
		}
		return nil
	})
	if last > 0 && len(entries) > last {
		entries = entries[len(entries)-last:]
	}
	return entries, err
}

// belongsTo tells whether an entry is, or refers to, the decision with the id.
func belongsTo(e journal.Entry, id string) bool {
	var ref struct {
		ID       string `json:"id"`
		Decision string `json:"decision"`
	}
	return json.Unmarshal(e.Data, &ref) == nil && (ref.ID == id || ref.Decision == id)
}

// summary is an entry in one line.
func summary(e journal.Entry) string {
	if d, err := e.Decision(); err == nil {
		return fmt.Sprintf("%s: %s", d.ID, d.Outcome)
	}
	s := string(e.Data)
	if len(s) > 160 {
		s = strings.ToValidUTF8(s[:160], "") + "…"
	}
	return s
}

// printable keeps what was written by others from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, s)
}
