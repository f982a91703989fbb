package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A member is what a node tells the others, in its register. The register runs
// out unless it is renewed: that is the node's lease.
type member struct {
	Process string   // random, so that a process knows its own
	Source  string   // the log that it appends to
	Beat    uint64   // rises with each try to change the register
	Catalog uint64   // up to which entry of the catalogue it has
	Checked uint64   `json:",omitempty"` // all that it commits from now on is checked against that entry, or later ones
	Read    []string // the sources whose logs it has read to the seal at their end, sorted
	Journal bool     `json:",omitempty"` // it may have commits that are only in its journal
}

// members keeps this node's lease and knows who else is alive. Its methods are
// safe for concurrent use.
type members struct {
	c    *cluster
	wake chan struct{}

	renewing sync.Mutex // held while the register is being changed; guards the fields below
	self     member
	value    []byte   // of the register, as we know
	tried    [][]byte // changes of that whose outcome is unknown
	unsure   bool     // the lease was lost, and it is not certain yet that nobody gave up our journal

	mu      sync.Mutex        // guards the fields below
	others  map[string]member // by name, as of the last look
	catalog uint64            // that we have
	checked uint64            // that all of our commits are checked against
	until   time.Time         // the lease lasts at least
	terms   uint64            // rises when it may have run out for a while
	lost    error             // why this node may not go on
}

func newMembers(c *cluster) *members {
	return &members{c: c, wake: make(chan struct{}, 1)}
}

func (m *members) scope() string { return leaseScope(m.c.db.opt.Database) }

func leaseScope(database string) string { return "nodes/" + database }

func (m *members) register() store.Register {
	return store.Register{Scope: m.scope(), Name: m.c.db.opt.Writer}
}

// joinWait is how often a starting node looks whether its name has become free.
const joinWait = 250 * time.Millisecond

// join takes the lease of this node's name. If another process has it, it waits
// until that runs out, and gives up if it is renewed.
func (m *members) join(ctx context.Context) error {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	m.self = member{Process: fmt.Sprintf("%016x", newEpoch()), Source: m.c.db.own().String(), Journal: m.c.opt.Journal != nil}
	var first, ended []byte // of another process, and of one that has ended
	for {
		begin := time.Now()
		value, err := m.next()
		if err != nil {
			return err
		}
		held, swapped, err := m.c.shared.Swap(ctx, m.register(), ended, value, m.c.opt.Lease)
		if err != nil {
			return fmt.Errorf("lease of node %q: %w", m.c.db.opt.Writer, err)
		}
		if swapped {
			m.value = value
			m.extend(begin, true)
			return m.look(ctx)
		}
		if ended = nil; m.hasEnded(held) {
			ended = held
			continue
		}
		if first == nil && held != nil {
			first = held
			m.c.db.opt.Logger.Info("the lease of an earlier process of this node has not run out yet", slog.String("node", m.c.db.opt.Writer))
		}
		if held != nil && !bytes.Equal(held, first) {
			return pgerr.New(pgerr.ObjectInUse, "a node called %q is running", m.c.db.opt.Writer).
				WithHint("Give each node a name of its own.")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(joinWait):
		}
	}
}

// hasEnded says whether a register is that of the process before this one.
func (m *members) hasEnded(held []byte) bool {
	var v member
	return m.c.opt.Predecessor != "" && held != nil && json.Unmarshal(held, &v) == nil && v.Source == m.c.opt.Predecessor
}

// run renews the lease and looks who is alive, until ctx ends.
func (m *members) run(ctx context.Context) {
	every(ctx, m.c.opt.Lease/5, m.wake, func() {
		err := m.renew(ctx)
		if err == nil {
			err = m.look(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.c.db.opt.Logger.Warn("the lease of this node was not renewed", slog.String("error", err.Error()))
		}
	})
}

// renew renews the lease and tells what we know.
func (m *members) renew(ctx context.Context) error {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	return m.change(ctx)
}

// forwarded tells that nothing is only in a journal of ours.
func (m *members) forwarded(ctx context.Context) error {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	m.self.Journal = false
	return m.change(ctx)
}

// become tells that we go on with another source.
func (m *members) become(ctx context.Context, src commitlog.Source) error {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	m.self.Source = src.String()
	return m.change(ctx)
}

// change writes the register anew; m.renewing is held.
func (m *members) change(ctx context.Context) error {
	for range maxTries {
		if err := m.failed(); err != nil {
			return err
		}
		value, err := m.next()
		if err != nil {
			return err
		}
		begin := time.Now()
		held, swapped, err := m.c.shared.Swap(ctx, m.register(), m.value, value, m.c.opt.Lease)
		if err != nil {
			if m.tried = append(m.tried, value); len(m.tried) > maxTries {
				m.tried = m.tried[1:]
			}
			return err
		}
		switch {
		case swapped:
			anew := m.value == nil
			m.value, m.tried = value, nil
			if m.unsure {
				if err := m.c.journals.confirm(ctx); err != nil {
					return err
				}
				m.unsure = false
			}
			m.extend(begin, anew)
			return nil
		case held == nil:
			m.c.db.opt.Logger.Warn("the lease of this node ran out and is taken anew")
			m.lapse()
		case slices.ContainsFunc(m.tried, func(v []byte) bool { return bytes.Equal(v, held) }): // that came through
		case m.ours(held):
			m.lapse()
		default:
			return m.lose(pgerr.New(pgerr.CannotConnectNow, "another process runs as node %q", m.c.db.opt.Writer).
				WithHint("Give each node a name of its own, and start this one again."))
		}
		m.value, m.tried = held, nil
	}
	return errors.New("the lease of this node changes too often")
}

// next returns what the register is to hold; m.renewing is held.
func (m *members) next() ([]byte, error) {
	m.self.Beat++
	m.self.Read = m.c.follower.readToEnd()
	m.mu.Lock()
	m.self.Catalog, m.self.Checked = m.catalog, m.checked
	m.mu.Unlock()
	return json.Marshal(m.self)
}

// ours says whether this process has written a value.
func (m *members) ours(value []byte) bool {
	var v member
	return json.Unmarshal(value, &v) == nil && v.Process == m.self.Process
}

// extend notes that the lease was renewed, or taken anew, by a call that began
// then.
func (m *members) extend(begin time.Time, anew bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if anew {
		m.terms++
	}
	m.until = begin.Add(m.c.opt.Lease)
}

// lapse notes that the lease was not ours, or may not have been, for a while.
func (m *members) lapse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.terms++
	m.until, m.unsure = time.Time{}, true
}

// term returns the number of the lease, which changes when it ran out and was taken
// anew, and whether it lasts.
func (m *members) term() (term uint64, leased bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.terms, time.Now().Before(m.until)
}

// leased says whether the lease lasts. While it does, others wait for us when
// they change the catalogue.
func (m *members) leased() bool {
	_, leased := m.term()
	return leased
}

// leave gives the lease back.
func (m *members) leave(ctx context.Context) {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	if m.failed() != nil || m.value == nil {
		return
	}
	// What fails runs out by itself.
	held, swapped, err := m.c.shared.Swap(ctx, m.register(), m.value, nil, 0)
	if err == nil && !swapped && held != nil && m.ours(held) { // a change that was broken off came through
		_, _, _ = m.c.shared.Swap(ctx, m.register(), held, nil, 0)
	}
}

// look reads who is alive.
func (m *members) look(ctx context.Context) error {
	values, err := m.c.shared.Registers(ctx, m.scope())
	if err != nil {
		return err
	}
	others := map[string]member{}
	for name, value := range values {
		if name == m.c.db.opt.Writer || strings.HasSuffix(name, journalRegister) {
			continue
		}
		var o member
		if err := json.Unmarshal(value, &o); err != nil {
			return fmt.Errorf("lease of node %q: %w", name, err)
		}
		others[name] = o
	}
	if err := m.c.journals.look(values, others); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.others = others
	return nil
}

// alive returns the other nodes that have a lease.
func (m *members) alive() map[string]member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.others
}

// has says whether the node that appends to a source log is alive, this one
// included.
func (m *members) has(src commitlog.Source) bool {
	if src == m.c.db.own() {
		return true
	}
	return m.alive()[src.Writer].Source == src.String()
}

// haveRead says whether all other nodes that are alive have read a source to its
// end.
func (m *members) haveRead(src commitlog.Source) bool {
	for _, o := range m.alive() {
		if !slices.Contains(o.Read, src.String()) {
			return false
		}
	}
	return true
}

// saw notes up to where we have the catalogue, and tells the others soon.
func (m *members) saw(catalog uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if catalog > m.catalog {
		m.catalog = catalog
		poke(m.wake)
		poke(m.c.vouching)
	}
}

// agreeWait is how often a change of the catalogue looks who has it.
const agreeWait = 50 * time.Millisecond

// agree waits until every node that is alive has the catalogue up to an entry:
// then the next statement on any of them sees the change.
func (m *members) agree(catalog uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), m.c.opt.Lease+time.Second)
	defer cancel()
	for {
		err := m.look(ctx) // who takes a lease after this reads a catalogue that has the change
		behind := err != nil
		for _, o := range m.alive() {
			behind = behind || o.Catalog < catalog
		}
		if !behind {
			return
		}
		if err != nil && ctx.Err() == nil {
			m.c.db.opt.Logger.Warn("who has the change of the catalogue cannot be seen", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return // leases that were alive when we began have run out, or were renewed by who has it
		case <-time.After(agreeWait):
		}
	}
}

// lose ends this node's commits for good.
func (m *members) lose(err error) error {
	m.mu.Lock()
	m.lost = err
	m.mu.Unlock()
	m.c.db.committer.stop(err)
	return err
}

func (m *members) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}
