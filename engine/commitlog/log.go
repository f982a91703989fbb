package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// A Log is the commit log of a partition as one process sees it. Others may
// append to the same log. It is safe for concurrent use: readers take the
// Manifest at any time, commits take turns. It holds no resources.
type Log struct {
	st   store.Store
	part chunk.PartitionID
	id   store.LogID
	opt  Options

	manifest atomic.Pointer[Manifest]

	writing       turn // Commit
	folding       turn // reading what others appended
	checkpointing turn // taken before writing

	// Of whoever is checkpointing.
	tried   []uint64 // checkpoints written that were not in use when last looked at
	retryAt uint64   // after a failure: the sequence number to try the next one at

	mu     sync.Mutex // guards doubts, and manifest against being set back
	doubts map[CommitID]doubt
}

// Open reads the log of a partition, which need not have an entry yet.
// Damage is an XX001 error that wraps chunk.ErrCorrupt.
func Open(ctx context.Context, st store.Store, part chunk.PartitionID, opt Options) (*Log, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	l := &Log{
		st: st, part: part, id: LogID(part), opt: opt.withDefaults(), doubts: map[CommitID]doubt{},
		writing: newTurn(), folding: newTurn(), checkpointing: newTurn(),
	}
	m, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	l.manifest.Store(m)
	return l, nil
}

// Partition returns the partition whose log it is.
func (l *Log) Partition() chunk.PartitionID { return l.part }

// Manifest returns the state of the log as far as it has been read.
func (l *Log) Manifest() *Manifest { return l.manifest.Load() }

// Refresh reads what has been appended, by others or by commits whose outcome
// was unknown, and returns a state that has all that was in the log at the call.
func (l *Log) Refresh(ctx context.Context) (*Manifest, error) {
	if err := l.catchUp(ctx); err != nil {
		return nil, err
	}
	return l.Manifest(), nil
}

// catchUp folds what the log has beyond the manifest.
func (l *Log) catchUp(ctx context.Context) error {
	if err := l.folding.take(ctx); err != nil {
		return err
	}
	defer l.folding.give()
	m := l.Manifest()
	for e, err := range l.st.Read(ctx, l.id, m.seq+1) {
		if errors.Is(err, store.ErrTrimmed) {
			return l.skip(ctx)
		}
		if err != nil {
			return wrapLog(l.part, err)
		}
		if m, err = l.read(m, e); err != nil {
			return err
		}
		l.publish(m)
	}
	return nil
}

// skip goes on from a checkpoint: others are more than one ahead.
func (l *Log) skip(ctx context.Context) error {
	m, err := l.load(ctx)
	if err != nil {
		return err
	}
	l.publish(m)
	return nil
}

// read folds one entry.
func (l *Log) read(m *Manifest, e store.Entry) (*Manifest, error) {
	base, body, err := parseRecord(l.id, e)
	if err != nil {
		return nil, l.damaged(e.Seq, err)
	}
	c, err := DecodeCommit(body)
	if err != nil {
		return nil, l.damaged(e.Seq, err)
	}
	next, err := m.Apply(e.Seq, c)
	if err != nil { // no writer appends what does not hold
		return nil, l.damaged(e.Seq, fmt.Errorf("%v commit %v: %w", c.Kind, c.ID, err))
	}
	if next.base != base {
		return nil, l.damaged(e.Seq, fmt.Errorf("names checkpoint %d, %d is in use", base, next.base))
	}
	return next, nil
}

func (l *Log) damaged(seq uint64, err error) error {
	return corrupt("commit log of %s, entry %d: %v", partName(l.part), seq, err)
}

// partName names a partition in messages.
func partName(p chunk.PartitionID) string {
	return fmt.Sprintf("table %d partition %x", p.Table, p.Key)
}

// publish makes m the state that readers get, unless they have a later one.
func (l *Log) publish(m *Manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(m)
	if m.seq > l.Manifest().seq {
		l.manifest.Store(m)
	}
}

// errMoved reports that what was to be read had been replaced meanwhile.
var errMoved = errors.New("commitlog: the log moved on")

// sameTries is how often a checkpoint and the entries after it are looked for
// before they are missing. Only a later checkpoint takes them away, and the
// entry that says so comes before they go.
const sameTries = 3

// load reads the log from its checkpoint on. Others may replace the checkpoint
// and trim meanwhile; then it begins again.
func (l *Log) load(ctx context.Context) (*Manifest, error) {
	for last, tries := uint64(0), 0; ; {
		m, base, err := l.loadFrom(ctx)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		if base != last {
			last, tries = base, 0
		}
		if tries++; tries == sameTries {
			return nil, corrupt("commit log of %s: checkpoint %d or entries after it are missing: %v", partName(l.part), base, err)
		}
	}
}

// loadFrom tries once, and returns which checkpoint it began with.
func (l *Log) loadFrom(ctx context.Context) (*Manifest, uint64, error) {
	base, head, err := lastBase(ctx, l.st, l.part)
	if err != nil || head == 0 {
		return &Manifest{}, 0, err
	}
	m := &Manifest{}
	if base > 0 {
		data, err := l.st.Checkpoint(ctx, checkpointID(l.part, base))
		if errors.Is(err, store.ErrNotFound) {
			return nil, base, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return nil, base, fmt.Errorf("checkpoint %d of the commit log of %s: %w", base, partName(l.part), err)
		}
		if m, err = parseCheckpoint(l.id, base, data); err != nil {
			return nil, base, corrupt("checkpoint %d of the commit log of %s: %v", base, partName(l.part), err)
		}
	}
	for e, err := range l.st.Read(ctx, l.id, base+1) {
		if errors.Is(err, store.ErrTrimmed) {
			return nil, base, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return nil, base, wrapLog(l.part, err)
		}
		if m, err = l.read(m, e); err != nil {
			return nil, base, err
		}
	}
	if m.seq < head {
		return nil, base, corrupt("commit log of %s: ends at entry %d, its head is %d", partName(l.part), m.seq, head)
	}
	return m, base, nil
}

// lastBase returns the last sequence number of a log, and the checkpoint that
// the entry with it names.
func lastBase(ctx context.Context, st store.Store, part chunk.PartitionID) (base, head uint64, err error) {
	id := LogID(part)
	head, err = st.Head(ctx, id)
	if err != nil || head == 0 {
		return 0, 0, wrapLog(part, err)
	}
	for e, err := range st.Read(ctx, id, head) {
		if errors.Is(err, store.ErrTrimmed) {
			return 0, head, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return 0, head, wrapLog(part, err)
		}
		if base, _, err = parseRecord(id, e); err != nil {
			return 0, head, corrupt("commit log of %s, entry %d: %v", partName(part), e.Seq, err)
		}
		return base, head, nil // entries after the head of just now will be folded
	}
	return 0, head, corrupt("commit log of %s: no entry at its head %d", partName(part), head)
}

func wrapLog(part chunk.PartitionID, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("commit log of %s: %w", partName(part), err)
}

// turn lets one goroutine at a time do something that takes I/O.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn, as long as ctx lasts.
func (t turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryTake takes the turn if nobody has it.
func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) give() { <-t }
