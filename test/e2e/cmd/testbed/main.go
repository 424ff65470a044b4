// Command testbed brings the testbed up to play with: a real Kafka cluster
// under a load that repeats every day of ten minutes, with fourteen such days
// of history, read by a real Prometheus. It prints where everything is and
// ends, with all of it, on Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

func main() {
	brokers := flag.Int("brokers", 3, "brokers to start")
	kubernetes := flag.Bool("kubernetes", false, "run the brokers as pods of a StatefulSet under a real control plane")
	low := flag.Float64("low", 100e3, "bytes per second produced at night")
	high := flag.Float64("high", 400e3, "bytes per second produced at the peak")
	day := flag.Duration("day", 10*time.Minute, "length of a day")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	shape := testbed.Day(*low, *high, *day, *day/2)
	if err := run(ctx, *brokers, *kubernetes, shape, *day); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, brokers int, kubernetes bool, shape testbed.Shape, day time.Duration) (err error) {
	log := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	tb, err := testbed.New(ctx, testbed.Options{Brokers: brokers, Kubernetes: kubernetes, Log: log})
	if tb != nil {
		defer func() { err = firstOf(err, tb.Close()) }()
	}
	if err != nil {
		return err
	}
	if kubernetes {
		if err := tb.DeployKafka(ctx, testbed.Namespace, brokers); err != nil {
			return err
		}
	}
	if err := tb.Kafka.CreateTopic(ctx, "orders", 12, min(3, brokers), nil); err != nil {
		return err
	}
	history := func(k *testbed.Kafka) []testbed.History {
		to := time.Now().Add(-10 * time.Second)
		return []testbed.History{{From: to.Add(-14 * day), To: to, Step: 5 * time.Second,
			Series: testbed.KafkaPast(k.Brokers(), "orders", shape, 1024, 1, min(3, brokers))}}
	}
	if err := tb.StartPrometheus(ctx, history); err != nil {
		return err
	}
	producer, err := tb.Kafka.Produce(testbed.Producer{Topic: "orders", Shape: shape})
	if err != nil {
		return err
	}
	defer producer.Stop()
	consumer, err := tb.Kafka.Consume(testbed.Consumer{Group: "billing", Topic: "orders", RecordsPerSecond: 500})
	if err != nil {
		return err
	}
	defer consumer.Stop()
	fmt.Printf("kafka       %s\nprometheus  %s\nlogs        %s\n", strings.Join(tb.Kafka.Bootstrap(), ","), tb.Prometheus.URL, tb.LogDir)
	if tb.Kubernetes != nil {
		fmt.Printf("kubeconfig  %s\n", tb.Kubernetes.Kubeconfig)
	}
	<-ctx.Done()
	return nil
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
