package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// A Log is the commit log of a partition as one process sees it. Others may
// append to the same log. It is safe for concurrent use: readers take the
// Manifest at any time, commits take turns. It holds no resources.
type Log struct {
	st    store.Store
	part  chunk.PartitionID
	id    store.LogID
	opt   Options
	pager *pager

	manifest atomic.Pointer[Manifest]

	writing       turn // Commit
	folding       turn // reading what others appended
	checkpointing turn // taken before writing

	// Of whoever is checkpointing.
	tried   []attempted // checkpoints written and not looked at since, by seq
	retryAt uint64      // after a failure: the sequence number to try the next one at

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
	l.pager = &pager{st: st, part: part, cache: l.opt.Pages, pageSizes: l.opt.pages}
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

// catchUp folds what the log has beyond the manifest. If that has another
// checkpoint in use it goes on from it: of the pages before it is not known how long
// they stay, and what came since takes memory.
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
		if m, err = l.read(ctx, m, e); errors.Is(err, errMoved) {
			return l.skip(ctx)
		}
		if err != nil {
			return err
		}
		l.publish(m)
	}
	if m.anchor == m.base {
		return nil
	}
	if err := l.skip(ctx); err != nil { // what is known serves as well
		l.opt.Logger.Warn("a checkpoint of a commit log cannot be read", slog.Uint64("table", uint64(l.part.Table)),
			slog.String("partition", fmt.Sprintf("%x", l.part.Key)), slog.Uint64("seq", m.base.seq), slog.Any("error", err))
	}
	return nil
}

// skip goes on from the checkpoint in use.
func (l *Log) skip(ctx context.Context) error {
	m, err := l.load(ctx)
	if err != nil {
		return err
	}
	l.publish(m)
	return nil
}

// read folds one entry.
func (l *Log) read(ctx context.Context, m *Manifest, e store.Entry) (*Manifest, error) {
	base, body, err := parseRecord(l.id, e)
	if err != nil {
		return nil, l.damaged(e.Seq, err)
	}
	c, err := DecodeCommit(body)
	if err != nil {
		return nil, l.damaged(e.Seq, err)
	}
	next, err := m.Apply(ctx, e.Seq, c)
	if errors.Is(err, errPage) {
		return nil, fmt.Errorf("commit log of %s, entry %d: %w", partName(l.part), e.Seq, err)
	}
	if err != nil { // no writer appends what does not hold
		return nil, l.damaged(e.Seq, fmt.Errorf("%v commit %v: %w", c.Kind, c.ID, err))
	}
	if next.base != base {
		return nil, l.damaged(e.Seq, fmt.Errorf("names checkpoint %v, %v is in use", base, next.base))
	}
	return next, nil
}

func (l *Log) damaged(seq uint64, err error) error {
	return unreadable(err, "commit log of %s, entry %d", partName(l.part), seq)
}

// partName names a partition in messages.
func partName(p chunk.PartitionID) string {
	return fmt.Sprintf("table %d partition %x", p.Table, p.Key)
}

// publish makes m the state that readers get, unless they have a later one, or the
// same from as late a checkpoint.
func (l *Log) publish(m *Manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(m)
	if have := l.Manifest(); m.seq > have.seq || m.seq == have.seq && m.anchor.seq > have.anchor.seq {
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
	for last, tries := (storedName{}), 0; ; {
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
			return nil, corrupt("commit log of %s: checkpoint %v or entries after it are missing: %v", partName(l.part), base, err)
		}
	}
}

// loadFrom tries once, and returns which checkpoint it began with.
func (l *Log) loadFrom(ctx context.Context) (*Manifest, storedName, error) {
	base, head, err := lastBase(ctx, l.st, l.part)
	if err != nil || head == 0 {
		return &Manifest{pager: l.pager}, storedName{}, err
	}
	m := &Manifest{}
	if base.seq > 0 {
		m, err = readCheckpoint(ctx, l.st, l.part, base)
		if errors.Is(err, store.ErrNotFound) {
			return nil, base, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return nil, base, err
		}
	}
	m.pager = l.pager
	for e, err := range l.st.Read(ctx, l.id, base.seq+1) {
		if errors.Is(err, store.ErrTrimmed) {
			return nil, base, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return nil, base, wrapLog(l.part, err)
		}
		if m, err = l.read(ctx, m, e); err != nil {
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
func lastBase(ctx context.Context, st store.Store, part chunk.PartitionID) (base storedName, head uint64, err error) {
	id := LogID(part)
	head, err = st.Head(ctx, id)
	if err != nil || head == 0 {
		return base, 0, wrapLog(part, err)
	}
	for e, err := range st.Read(ctx, id, head) {
		if errors.Is(err, store.ErrTrimmed) {
			return base, head, fmt.Errorf("%w: %w", errMoved, err)
		}
		if err != nil {
			return base, head, wrapLog(part, err)
		}
		if base, _, err = parseRecord(id, e); err != nil {
			return base, head, unreadable(err, "commit log of %s, entry %d", partName(part), e.Seq)
		}
		return base, head, nil // entries after the head of just now will be folded
	}
	return base, head, corrupt("commit log of %s: no entry at its head %d", partName(part), head)
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
