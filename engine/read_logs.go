package engine

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
)

// What recovery and views have in common: how logs are found and read, and
// which of their records still count.

// eachCommitLog calls f for every partition that has a commit log.
func eachCommitLog(ctx context.Context, s store.Store, f func(chunk.PartitionID) error) error {
	logs, err := s.List(ctx, store.CommitLog)
	if err != nil {
		return err
	}
	for _, log := range logs {
		id, err := commitlog.ParseLogID(log)
		if err != nil {
			return err
		}
		if err := f(id); err != nil {
			return err
		}
	}
	return nil
}

// eachSourceLog calls f for every source log.
func eachSourceLog(ctx context.Context, s store.Store, f func(store.LogID, commitlog.Source) error) error {
	logs, err := s.List(ctx, store.SourceLog)
	if err != nil {
		return err
	}
	for _, log := range logs {
		src, err := commitlog.ParseSource(log.Key)
		if err != nil {
			return err
		}
		if err := f(log, src); err != nil {
			return err
		}
	}
	return nil
}

// readSource calls f for each entry that a source log retains: with its records,
// which f releases or keeps, or with who sealed the log.
func readSource(ctx context.Context, s store.Store, mem memory.Allocator, log store.LogID,
	f func(seq uint64, records []*ingest.Record, sealedBy string) error,
) error {
	first, err := s.First(ctx, log)
	if err != nil {
		return err
	}
	for e, err := range s.Read(ctx, log, first) {
		if err != nil {
			return err
		}
		entry, err := ingest.DecodeEntry(mem, e.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		if err := f(e.Seq, entry.Records, entry.SealedBy); err != nil {
			return err
		}
	}
	return nil
}

// unfolded says whether a partition has not yet taken in a position of a source.
func unfolded(m *commitlog.Manifest, src commitlog.Source, seq uint64) bool {
	return m.Folded(src) < seq && !m.Ended(src)
}

// partRows counts the rows that a record adds to a partition.
func partRows(p *ingest.Part) int {
	n := 0
	if p.Rows != nil {
		n = int(p.Rows.NumRows())
	}
	for _, e := range p.Staged {
		n += e.Rows
	}
	return n
}
