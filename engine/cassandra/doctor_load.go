package cassandra

import (
	"context"
	"fmt"
	"math"
	"strconv"
)

// loadFacts are what a server's virtual tables tell of its work on the keyspace.
type loadFacts struct {
	partitions    []tableNumber // size of the largest partition, MiB
	partitionsErr error

	tombstones    []tableNumber // most tombstones of a read
	tombstonesErr error

	running, waiting int // compactions
	compactionsErr   error
}

// tableNumber is a number of a table.
type tableNumber struct {
	table string
	n     int64
}

// askLoad reads the virtual tables of a server. Version 4.0 has them all; what is
// missing is an error of its own.
func (d *doctor) askLoad(ctx context.Context, s *serverFacts) {
	l := &s.load
	l.partitions, l.partitionsErr = d.askNumbers(ctx, s, `SELECT keyspace_name, table_name, mebibytes FROM system_views.max_partition_size`)
	l.tombstones, l.tombstonesErr = d.askNumbers(ctx, s, `SELECT keyspace_name, table_name, max FROM system_views.tombstones_per_read`)
	l.compactionsErr = d.askRows(ctx, s, func(scan func(...any) error) error {
		l.running++
		var task any
		return scan(&task)
	}, `SELECT task_id FROM system_views.sstable_tasks`)
	if l.compactionsErr == nil {
		l.compactionsErr = d.askRows(ctx, s, func(scan func(...any) error) error {
			var name string
			var pending int
			if err := scan(&name, &pending); err != nil {
				return err
			}
			if name == "CompactionExecutor" {
				l.waiting = pending
			}
			return nil
		}, `SELECT name, pending_tasks FROM system_views.thread_pools`)
	}
}

// askNumbers reads a keyspace, a table and a number a row, and returns those of
// the keyspace that is examined.
func (d *doctor) askNumbers(ctx context.Context, s *serverFacts, text string) (out []tableNumber, err error) {
	err = d.askRows(ctx, s, func(scan func(...any) error) error {
		var keyspace, table string
		var n any // versions differ in its type
		if err := scan(&keyspace, &table, &n); err != nil {
			return err
		}
		if keyspace != d.opts.Keyspace {
			return nil
		}
		switch n := n.(type) {
		case int64:
			out = append(out, tableNumber{table, n})
		case float64:
			out = append(out, tableNumber{table, int64(n)})
		default:
			return fmt.Errorf("a number of type %T", n)
		}
		return nil
	}, text)
	return out, err
}

const (
	// largePartition is in MiB. Phyllo ends its buckets far below it.
	largePartition = 100
	// manyCompactions wait if a server does not get round to them.
	manyCompactions = 32
	// manyTombstones, and tooMany at which servers refuse reads, are Cassandra's
	// own defaults; its settings may say otherwise.
	manyTombstones, tooManyTombstones = 1000, 100000
)

func judgeLoad(all []serverFacts) []Finding {
	return []Finding{judgePartitions(all), judgeTombstones(all), judgeCompactions(all)}
}

// peak returns the greatest number of all servers, with where it is: empty if all
// are zero. Its error is that of a server which does not tell.
func peak(all []serverFacts, numbers func(l loadFacts) ([]tableNumber, error)) (most int64, where string, err error) {
	for _, s := range answering(all) {
		of, err := numbers(s.load)
		if err != nil {
			return 0, "", err
		}
		for _, t := range of {
			if t.n > most {
				most, where = t.n, t.table+" on "+s.address
			}
		}
	}
	return most, where, nil
}

func judgePartitions(all []serverFacts) Finding {
	const check = "largest partition"
	n, where, err := peak(all, func(l loadFacts) ([]tableNumber, error) { return l.partitions, l.partitionsErr })
	switch {
	case err != nil:
		return finding(check, Unknown, "%s", notOffered("system_views.max_partition_size", err))
	case n > largePartition:
		return finding(check, Warning, "%d MiB in %s: Cassandra copes badly with such, and Phyllo does not make them", n, where).
			do("Look whether something else writes to the keyspace, and report it to Phyllo")
	}
	return finding(check, OK, "%d MiB; Phyllo keeps it below %d", n, largePartition)
}

func judgeTombstones(all []serverFacts) Finding {
	const check = "tombstones"
	n, where, err := peak(all, func(l loadFacts) ([]tableNumber, error) { return l.tombstones, l.tombstonesErr })
	if err != nil {
		return finding(check, Unknown, "%s", notOffered("system_views.tombstones_per_read", err))
	}
	warn, fail := threshold(all, "tombstone_warn_threshold", manyTombstones), threshold(all, "tombstone_failure_threshold", tooManyTombstones)
	const do = "Run nodetool compact on that table, and report it to Phyllo"
	switch {
	case n >= fail:
		return finding(check, Bad, "a read of %s met %d: servers refuse such reads from %d on", where, n, fail).do(do)
	case n >= warn:
		return finding(check, Warning, "a read of %s met %d", where, n).do(do)
	}
	return finding(check, OK, "reads meet %d at most", n)
}

// threshold returns the least that a server has of a setting, byDefault if they
// do not tell.
func threshold(all []serverFacts, setting string, byDefault int64) int64 {
	least := int64(math.MaxInt64)
	for _, s := range answering(all) {
		if n, err := strconv.ParseInt(s.settings[setting], 10, 64); err == nil && n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return byDefault
	}
	return least
}

// judgeCompactions adds up what runs and waits. How much is still to be done,
// Cassandra only estimates for nodetool.
func judgeCompactions(all []serverFacts) Finding {
	const check = "compactions"
	up := answering(all)
	running, waiting := 0, 0
	var busy []string
	for _, s := range up {
		if s.load.compactionsErr != nil {
			return finding(check, Unknown, "%s", notOffered("system_views.sstable_tasks and thread_pools", s.load.compactionsErr)).
				do("See nodetool compactionstats")
		}
		running, waiting = running+s.load.running, waiting+s.load.waiting
		if s.load.waiting >= manyCompactions {
			busy = append(busy, fmt.Sprintf("%d on %s", s.load.waiting, s.address))
		}
	}
	switch {
	case len(up) == 0:
		return finding(check, Unknown, "no server answers")
	case len(busy) > 0:
		return finding(check, Warning, "%s wait: the servers do not get round to them, and reads become slower", shortList(busy)).
			do("Raise compaction_throughput and concurrent_compactors, or add servers; see nodetool compactionstats")
	}
	return finding(check, OK, "%d run, %d wait; what else is to be done only nodetool compactionstats estimates", running, waiting)
}
