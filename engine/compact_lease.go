package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// In a cluster one node at a time compacts a partition, which a register says that runs
// out. It spares work and decides nothing: of two that believe to hold it the commit log
// takes the first one's commit, and the other throws its chunks away.

// compactionLease is how long a register stays if its node dies.
const compactionLease = 30 * time.Second

func compactionScope(database string) string { return "compactions/" + database }

// leaseCompaction takes the lease of a partition, and keeps it until release is called.
// held is false if another node has it.
func (db *DB) leaseCompaction(ctx context.Context, id chunk.PartitionID) (release func(), held bool, err error) {
	if db.cluster == nil {
		return func() {}, true, nil
	}
	shared := db.cluster.shared
	reg := store.Register{Scope: compactionScope(db.opt.Database), Name: fmt.Sprintf("%d/%x", id.Table, id.Key)}
	// A value of its own for each time, so that a change that is late harms nobody.
	value := fmt.Appendf(nil, "%s %016x", db.opt.Writer, newEpoch())
	_, held, err = shared.Swap(ctx, reg, nil, value, compactionLease)
	if err != nil || !held {
		return nil, false, err // one that was taken all the same runs out
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, compactionLease/3, nil, func() {
			_, _, _ = shared.Swap(ctx, reg, value, value, compactionLease) // if it is lost, so be it
		})
	}()
	return func() {
		cancel()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), compactionLease)
		defer cancel()
		_, _, _ = shared.Swap(ctx, reg, value, nil, 0)
	}, true, nil
}
