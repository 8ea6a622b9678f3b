// franz-go beside us in one topic and one group: what the test of kavka's transactions beside franz-go runs
// (protocol-tests/tests/real_kafka/transactions/franz_go.rs).
//
//	transactions write --topic T --id ID --transactions N      one of three is aborted; values are "ID TRANSACTION RECORD"
//	transactions read  --topic T --records N                   prints "PARTITION VALUE" of committed records
//	transactions copy  --input T --output T --group G --id ID  a GroupTransactSession that aborts one of three, until it is ended
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 3

// How long nothing more must come before a reader believes that there is nothing.
const silence = 3 * time.Second

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) < 2 {
		check(fmt.Errorf("usage: transactions write|read|copy ..."))
	}
	f := flag.NewFlagSet("transactions", flag.ExitOnError)
	boot := f.String("bootstrap-server", "127.0.0.1:9092", "")
	topic := f.String("topic", "", "")
	input := f.String("input", "", "")
	output := f.String("output", "", "")
	group := f.String("group", "", "")
	id := f.String("id", "franz-go", "")
	transactions := f.Int("transactions", 10, "")
	records := f.Int("records", 0, "")
	balancer := f.String("balancer", "range", "")
	check(f.Parse(os.Args[2:]))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	seeds := kgo.SeedBrokers(strings.Split(*boot, ",")...)
	switch os.Args[1] {
	case "write":
		write(ctx, seeds, *topic, *id, *transactions)
	case "read":
		read(ctx, seeds, *topic, *records)
	case "copy":
		copyAll(ctx, seeds, *input, *output, *group, *id, *balancer)
	default:
		check(fmt.Errorf("unknown command %s", os.Args[1]))
	}
}

// Transaction t has 1 + 7t mod 50 records, and is aborted if t mod 3 is 2: the test knows without being told.
func write(ctx context.Context, seeds kgo.Opt, topic, id string, transactions int) {
	client, err := kgo.NewClient(seeds, kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(err)
	defer client.Close()
	for t := range transactions {
		check(client.BeginTransaction())
		for n := range 1 + 7*t%50 {
			value := fmt.Sprintf("%s %d %d", id, t, n)
			client.Produce(ctx, &kgo.Record{Partition: int32(n % partitions), Value: []byte(value)}, func(_ *kgo.Record, err error) { check(err) })
		}
		check(client.Flush(ctx))
		check(client.EndTransaction(ctx, kgo.TransactionEndTry(t%3 != 2)))
	}
}

func read(ctx context.Context, seeds kgo.Opt, topic string, records int) {
	client, err := kgo.NewClient(seeds, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	check(err)
	defer client.Close()
	for read := 0; ; {
		limited, cancel := context.WithCancel(ctx)
		if read >= records {
			limited, cancel = context.WithTimeout(ctx, silence)
		}
		fetches := client.PollFetches(limited)
		ended := limited.Err() != nil
		cancel()
		if ended {
			return
		}
		check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			fmt.Printf("%d %s\n", r.Partition, r.Value)
		})
	}
}

func copyAll(ctx context.Context, seeds kgo.Opt, input, output, group, id, balancer string) {
	balancers := map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer()}
	session, err := kgo.NewGroupTransactSession(seeds, kgo.TransactionalID(id), kgo.TransactionTimeout(20*time.Second),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(input), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.Balancers(balancers[balancer]),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second),
		kgo.DefaultProduceTopic(output), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(err)
	defer session.Close()
	copied := 0
	for {
		fetches := session.PollRecords(ctx, 1+rand.IntN(30))
		if ctx.Err() != nil {
			return
		}
		check(fetches.Err())
		check(session.Begin())
		promise := kgo.AbortingFirstErrPromise(session.Client())
		fetches.EachRecord(func(r *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Partition: r.Partition, Value: r.Value}, promise.Promise())
		})
		ends := kgo.TransactionEndTry(promise.Err() == nil && rand.IntN(3) > 0)
		// What has begun is ended also if it is told to stop.
		committed, err := session.End(context.Background(), ends)
		check(err)
		if committed {
			copied += fetches.NumRecords()
			fmt.Printf("copied %d\n", copied)
		}
	}
}
