package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/metrics/kafka"
)

// kafkaFlags say how a cluster is reached. Secrets come from files, never from
// the command line, where everybody on the machine could read them.
type kafkaFlags struct {
	config kafka.Config
}

func addKafkaFlags(cmd *cobra.Command) *kafkaFlags {
	f := &kafkaFlags{}
	fs, c := cmd.Flags(), &f.config
	fs.StringSliceVar(&c.Bootstrap, "bootstrap", nil, "addresses of one or more brokers, host:port")
	fs.BoolVar(&c.TLS, "tls", false, "connect with TLS; the brokers' certificates are verified")
	fs.StringVar(&c.CAFile, "tls-ca", "", "PEM file of the authorities to trust; implies --tls")
	fs.StringVar(&c.CertFile, "tls-cert", "", "PEM file of the client's certificate; implies --tls")
	fs.StringVar(&c.KeyFile, "tls-key", "", "PEM file of the client's key; implies --tls")
	fs.StringVar(&c.ServerName, "tls-server-name", "", "name that the brokers' certificates must be for; implies --tls")
	fs.StringVar(&c.Mechanism, "sasl-mechanism", "", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
	fs.StringVar(&c.Username, "sasl-username", "", "SASL user")
	fs.StringVar(&c.PasswordFile, "sasl-password-file", "", "file that holds the SASL password")
	fs.StringVar(&c.TokenFile, "sasl-token-file", "", "file that holds the token for OAUTHBEARER; read again for each connection")
	return f
}

// options are the connection options that the flags ask for.
func (f *kafkaFlags) options() ([]kgo.Opt, error) {
	if len(f.config.Bootstrap) == 0 {
		return nil, errors.New("--bootstrap: is missing; name a broker, such as kafka-0:9092")
	}
	return f.config.Connection()
}
