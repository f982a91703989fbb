package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A journalState is what a register beside a node's lease says of its journal, for
// good. It never has a value twice, so that no change of it can be done late.
type journalState struct {
	Journal string // the last one that the node has begun
	// Forwarded is up to where it is in source logs that are gone. The rest is told
	// by the source logs that are there, and by the journal, which is trimmed first.
	Forwarded uint64
	Drained   bool // nothing in it is only there
	// Confirmed changes when the node has its lease again after it had none: what
	// looked at the register meanwhile, to give the journal up, is not done late.
	Confirmed uint64 `json:",omitempty"`
}

// journals is what a node knows of journals, those of others mostly. Its methods
// are safe for concurrent use.
type journals struct {
	c *cluster

	mu   sync.Mutex        // guards the fields below
	seen map[string]uint64 // by journal, up to where it is in source logs that we have read
	open []string          // nodes that have no lease, and whose journals are not drained
	own  []*journal        // the one in use, or one that is being drained
}

func newJournals(c *cluster) *journals { return &journals{c: c, seen: map[string]uint64{}} }

// journalRegister ends the name of the register; before it is the node's.
const journalRegister = "\x00journal"

func (j *journals) register(node string) store.Register {
	return store.Register{Scope: j.c.members.scope(), Name: node + journalRegister}
}

// saw notes that entries of a journal up to a position are in a source log.
func (j *journals) saw(journal string, pos uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen[journal] = max(j.seen[journal], pos)
}

// in returns up to where a journal is in source logs that we have read.
func (j *journals) in(journal string) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seen[journal]
}

// uses notes a journal of ours that is in use.
func (j *journals) uses(own ...*journal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.own = own
}

// waitingBytes is how much of our journal is not in source logs.
func (j *journals) waitingBytes() int64 {
	j.mu.Lock()
	own := j.own
	j.mu.Unlock()
	n := int64(0)
	for _, o := range own {
		n += o.waitingBytes()
	}
	return n
}

// trimJournals forgets what of our journals is in source logs.
func (db *DB) trimJournals(ctx context.Context) error {
	if db.cluster == nil {
		return nil
	}
	j := db.cluster.journals
	j.mu.Lock()
	own := j.own
	j.mu.Unlock()
	for _, o := range own {
		if err := o.trim(ctx); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

// journalsOf returns the journals that registers beside leases tell of, by node.
func journalsOf(registers map[string][]byte) (map[string]journalState, error) {
	out := map[string]journalState{}
	for name, value := range registers {
		node, ok := strings.CutSuffix(name, journalRegister)
		if !ok {
			continue
		}
		var s journalState
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, fmt.Errorf("journal of node %q: %w", node, err)
		}
		out[node] = s
	}
	return out, nil
}

func (j *journals) states(ctx context.Context) (map[string]journalState, error) {
	registers, err := j.c.shared.Registers(ctx, j.c.members.scope())
	if err != nil {
		return nil, err
	}
	return journalsOf(registers)
}

// look notes which nodes without a lease have journals that are not drained.
func (j *journals) look(registers map[string][]byte, alive map[string]member) error {
	states, err := journalsOf(registers)
	if err != nil {
		return err
	}
	var open []string
	for node, s := range states {
		if _, ok := alive[node]; !ok && !s.Drained && node != j.c.db.opt.Writer {
			open = append(open, node)
		}
	}
	slices.Sort(open)
	j.mu.Lock()
	before := j.open
	j.open = open
	j.mu.Unlock()
	for _, node := range open {
		if !slices.Contains(before, node) {
			j.c.db.opt.Logger.Warn("a node is not running and may have commits that are on its disk only; start it again with its data folder", slog.String("node", node))
		}
	}
	return nil
}

// confirm makes sure, after a time without a lease, that the journal in use was not
// given up meanwhile.
func (j *journals) confirm(ctx context.Context) error {
	j.mu.Lock()
	own := j.own
	j.mu.Unlock()
	for _, o := range own {
		if !o.inUse {
			continue
		}
		given := false
		err := j.change(ctx, o.source.Writer, func(held *journalState) journalState {
			if given = held == nil || held.Journal != o.source.String() || held.Drained; given {
				if held == nil {
					held = &journalState{Journal: o.source.String(), Drained: true}
				}
				return *held
			}
			held.Confirmed = newEpoch()
			return *held
		})
		if err != nil {
			return err
		}
		if given {
			return j.c.members.lose(pgerr.New(pgerr.ObjectNotInState, "the journal of node %q was given up while the node was not heard of", o.source.Writer).
				WithHint("What the node acknowledged and had not forwarded is in the folder wal of its data folder. Move that away and start the node again."))
		}
	}
	return nil
}

// isLost says whether a node is not alive whose journal is not drained.
func (j *journals) isLost(node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Contains(j.open, node)
}

// lost returns an error that names the nodes that are not alive and may have
// commits that nobody else knows of; nil if there are none.
func (j *journals) lost() error {
	j.mu.Lock()
	open := j.open
	j.mu.Unlock()
	if len(open) == 0 {
		return nil
	}
	return pgerr.New(pgerr.ObjectNotInState, "node %s is not running and may have commits in its journal that are not in the cluster", strings.Join(open, ", ")).
		WithHint("Start it again with its data folder. If that is lost, phyllo forget --node %s gives up what was in it.", open[0])
}

// change sets a node's register to what f makes of it; held is nil if it was never
// set. f may be called several times.
func (j *journals) change(ctx context.Context, node string, f func(held *journalState) journalState) error {
	r := j.register(node)
	for range maxTries {
		registers, err := j.c.shared.Registers(ctx, r.Scope)
		if err != nil {
			return err
		}
		old := registers[r.Name]
		var held *journalState
		if old != nil {
			held = &journalState{}
			if err := json.Unmarshal(old, held); err != nil {
				return fmt.Errorf("journal of node %q: %w", node, err)
			}
		}
		next := f(held)
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		if bytes.Equal(value, old) {
			return nil
		}
		_, swapped, err := j.c.shared.Swap(ctx, r, old, value, 0)
		if swapped || err != nil && pgerr.Code(err) != pgerr.OutcomeUnknown {
			return err
		}
	}
	return fmt.Errorf("the register of the journal of node %q changes too often", node)
}

// note notes for good what we know of the journals of others, before a source log
// is dropped that tells of it.
func (j *journals) note(ctx context.Context) error {
	j.mu.Lock()
	seen := maps.Clone(j.seen)
	j.mu.Unlock()
	if len(seen) == 0 {
		return nil
	}
	states, err := j.states(ctx)
	if err != nil {
		return err
	}
	for node, s := range states {
		pos := seen[s.Journal]
		if s.Drained || pos <= s.Forwarded {
			continue
		}
		err := j.change(ctx, node, func(held *journalState) journalState {
			if held == nil {
				return s // which does not happen: registers of journals stay
			}
			if held.Journal == s.Journal && !held.Drained {
				held.Forwarded = max(held.Forwarded, pos)
			}
			return *held
		})
		if err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for name := range seen {
		src, err := commitlog.ParseSource(name)
		if s := states[src.Writer]; err != nil || s.Journal != name || s.Drained {
			delete(j.seen, name)
		}
	}
	return nil
}

// forwardedIn returns up to where our journal is in what a round has read.
func (j *journal) forwardedIn(r *findings) uint64 {
	if j == nil {
		return 0
	}
	pos, name := r.forwarded, j.source.String()
	for _, sr := range r.sources {
		for _, e := range sr.entries {
			if e.journal == name {
				pos = max(pos, e.position)
			}
		}
	}
	return pos
}

// readForwarded reads, for a new source of ours, up to where our journal is in logs
// that are gone. The round begins again if that is new: what was in those logs is
// in chunks, perhaps since commit logs were read.
func (f *follower) readForwarded(ctx context.Context, r *findings) (again bool, err error) {
	j := f.c.journal
	if j == nil || !r.fresh {
		return false, nil
	}
	states, err := f.c.journals.states(ctx)
	if err != nil {
		return false, err
	}
	if s := states[f.c.db.opt.Writer]; s.Journal == j.source.String() {
		r.forwarded = s.Forwarded
	}
	again = r.forwarded > f.forwarded
	f.forwarded = r.forwarded
	return again, nil
}

// ForgetJournal gives up what is only in the journal of a node that will not be
// started with its data folder again: others no longer wait for it. It fails if the
// node is running (55006), and if no journal of it is known (42704).
func ForgetJournal(ctx context.Context, s store.Registers, database, node string) error {
	r := store.Register{Scope: leaseScope(database), Name: node + journalRegister}
	for range maxTries {
		registers, err := s.Registers(ctx, r.Scope)
		if err != nil {
			return err
		}
		if registers[node] != nil {
			return pgerr.New(pgerr.ObjectInUse, "node %q is running, or was until a moment ago", node).
				WithHint("Stop it, or wait until its lease has run out.")
		}
		old := registers[r.Name]
		var held journalState
		if old != nil {
			if err := json.Unmarshal(old, &held); err != nil {
				return fmt.Errorf("journal of node %q: %w", node, err)
			}
		}
		if old == nil || held.Drained {
			return pgerr.New(pgerr.UndefinedObject, "node %q has no journal with commits that may not be in the cluster", node)
		}
		held.Drained = true
		value, err := json.Marshal(held)
		if err != nil {
			return err
		}
		_, swapped, err := s.Swap(ctx, r, old, value, 0)
		if swapped || err != nil && pgerr.Code(err) != pgerr.OutcomeUnknown {
			return err
		}
	}
	return fmt.Errorf("the register of the journal of node %q changes too often", node)
}
