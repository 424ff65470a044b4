package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/metrics/catalogue"
	"github.com/tidetable/tidetable/metrics/prometheus"
)

// metricsFlags say where measurements are read: a server, or a data folder.
type metricsFlags struct {
	config    prometheus.Config
	tsdb      string
	catalogue string
}

func addMetricsFlags(cmd *cobra.Command) *metricsFlags {
	f := &metricsFlags{}
	fs, c := cmd.Flags(), &f.config
	fs.StringVar(&c.URL, "prometheus", "", "URL of Prometheus, or of anything that speaks its query API")
	fs.StringVar(&f.tsdb, "tsdb", "", "folder of Prometheus data, read without a server")
	fs.StringVar(
		&f.catalogue,
		"catalogue",
		"",
		"query catalogues, asked in this order: built-in names or files (default: what is exported is found out)",
	)
	fs.StringVar(&c.Selector, "selector", "", `PromQL matchers that pick one cluster, such as namespace="kafka"`)
	fs.DurationVar(
		&c.Scrape,
		"scrape-interval",
		30*time.Second,
		"how often the brokers are scraped; rates look back over four scrapes at least",
	)
	fs.StringVar(&c.CAFile, "prometheus-ca", "", "PEM file of the authorities to trust")
	fs.StringVar(&c.CertFile, "prometheus-cert", "", "PEM file of the client's certificate")
	fs.StringVar(&c.KeyFile, "prometheus-key", "", "PEM file of the client's key")
	fs.StringVar(&c.ServerName, "prometheus-server-name", "", "name that the server's certificate must be for")
	fs.StringVar(&c.BearerTokenFile, "prometheus-token-file", "", "file that holds the bearer token; read again when it changes")
	fs.StringVar(&c.Username, "prometheus-username", "", "user for basic authentication")
	fs.StringVar(&c.PasswordFile, "prometheus-password-file", "", "file that holds the password for basic authentication")
	fs.StringToStringVar(&c.Headers, "header", nil, "headers to send, such as X-Scope-OrgID=team-a")
	fs.DurationVar(&c.Limits.Timeout, "prometheus-timeout", 30*time.Second, "how long one query may take")
	fs.IntVar(&c.Limits.Series, "max-series", 20_000, "series that one query may give")
	return f
}

// measurements is a source of both instants and histories.
type measurements interface {
	Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error)
	History(ctx context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error)
}

// open gives the source that the flags name; nil when they name none. latest
// is the time of a folder's last sample, and now for a server.
func (f *metricsFlags) open() (source measurements, latest time.Time, closeIt func(), err error) {
	closeIt = func() {}
	if f.config.URL == "" && f.tsdb == "" {
		return nil, time.Now(), closeIt, nil
	}
	if f.config.URL != "" && f.tsdb != "" {
		return nil, latest, closeIt, errors.New("--prometheus and --tsdb: give one of them")
	}
	if f.config.Scrape < time.Second {
		return nil, latest, closeIt, fmt.Errorf("--scrape-interval: %s is shorter than a second", f.config.Scrape)
	}
	if f.config.Limits.Series < 1 {
		return nil, latest, closeIt, errors.New("--max-series: want one or more")
	}
	c, err := catalogue.Load(f.catalogue)
	if err != nil {
		return nil, latest, closeIt, err
	}
	if f.config.URL != "" {
		f.config.Catalogue = c
		r, err := prometheus.New(f.config)
		if err != nil {
			return nil, latest, closeIt, err
		}
		return r, time.Now(), closeIt, nil
	}
	db, err := archive.OpenTSDB(f.tsdb, archive.TSDBOptions{
		Catalogue: c, Selector: f.config.Selector, Scrape: f.config.Scrape, MaxSeries: f.config.Limits.Series,
	})
	if err != nil {
		return nil, latest, closeIt, err
	}
	_, latest = db.Range()
	return db, latest, func() { db.Close() }, nil
}
