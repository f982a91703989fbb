package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A claim gives one node at a time the right to what must see the newest state of
// a table, or of the catalogue, and keep others from changing it: definitions,
// and writes that look whether a key exists. It is a register that changes by
// compare-and-set. A node keeps a claim until another one wants it, and takes it
// from one that died after the log of that one was sealed: whatever the other
// still believes, it cannot commit any more.
type claim struct {
	Holder string   // a source
	Wanted []string // sources of nodes that wait for it, by arrival
}

// claims are those of this node. Its methods are safe for concurrent use.
type claims struct {
	c *cluster

	mu   sync.Mutex // guards the fields below
	held map[datum.OID]*heldClaim
}

type heldClaim struct {
	taking chan struct{} // of one token: the claim is being asked for or given back
	users  int           // transactions that rely on it
	value  []byte        // of the register; nil if we do not have the claim
	since  time.Time
}

const (
	// claimWait bounds how long a transaction waits for a claim: two that wait for
	// each other's on two nodes would wait for ever.
	claimWait = 15 * time.Second
	// claimPoll is how often a claim that is wanted is looked at.
	claimPoll = 20 * time.Millisecond
	// claimKeep is how long a node keeps a claim at least, so that two that want it
	// by turns do something between.
	claimKeep = 50 * time.Millisecond
)

func newClaims(c *cluster) *claims {
	return &claims{c: c, held: map[datum.OID]*heldClaim{}}
}

func (c *claims) scope() string { return "claims/" + c.c.db.opt.Database }

func (c *claims) register(name datum.OID) store.Register {
	return store.Register{Scope: c.scope(), Name: strconv.FormatUint(uint64(name), 10)}
}

func (c *claims) entry(name datum.OID) *heldClaim {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[name]
	if h == nil {
		h = &heldClaim{taking: make(chan struct{}, 1)}
		c.held[name] = h
	}
	return h
}

// forget gives up everything, for this node has a new source.
func (c *claims) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held {
		h.value = nil
	}
}

// claim takes what is called name for a transaction, until it ends. What others
// committed before is in the current state when it returns.
func (t *Txn) claim(ctx context.Context, name datum.OID) error {
	if t.db.cluster == nil || slices.Contains(t.claimed, name) {
		return nil
	}
	if t.claimedAs == (commitlog.Source{}) {
		t.claimedAs = t.db.own()
	}
	if err := t.db.cluster.claims.take(ctx, name); err != nil {
		return err
	}
	t.claimed = append(t.claimed, name)
	return nil
}

// claimKeys gets a table's keys for a transaction that looks whether they exist.
// Plain inserts into a table that replaces claim nothing, so that only a node
// which is alone may look.
func (t *Txn) claimKeys(ctx context.Context, in *tableInfo) error {
	if t.db.cluster == nil {
		return nil
	}
	if in.def.OnDuplicate == schema.DuplicateReplace {
		return t.db.cluster.alone(in)
	}
	return t.claim(ctx, in.def.OID)
}

// alone refuses what cannot be done while other nodes write to a table.
func (c *cluster) alone(in *tableInfo) error {
	if len(c.members.alive()) == 0 && c.members.leased() {
		return nil
	}
	return pgerr.Unsupported("ON CONFLICT on table %q, whose rows replace each other, is not supported while several nodes write", in.name()).
		WithHint("Use a plain INSERT, which replaces rows, or a table WITH (on_duplicate = 'error').")
}

// unclaim lets go of what the transaction claimed.
func (t *Txn) unclaim() {
	for _, name := range t.claimed {
		t.db.cluster.claims.give(name)
	}
	t.claimed = nil
}

func (c *claims) take(ctx context.Context, name datum.OID) error {
	h := c.entry(name)
	select {
	case h.taking <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-h.taking }()
	c.mu.Lock()
	have := h.value != nil
	if have {
		h.users++
	}
	c.mu.Unlock()
	if have {
		return nil
	}
	value, err := c.acquire(ctx, name)
	if err != nil {
		return err
	}
	// What the holder before us committed has to be known.
	if err := c.c.follower.wait(ctx, time.Now()); err != nil {
		return err // the claim stays ours, and the next one finds it so
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h.value, h.since = value, time.Now()
	h.users++
	return nil
}

// acquire gets the register to name us.
func (c *claims) acquire(ctx context.Context, name datum.OID) ([]byte, error) {
	self := c.c.db.own().String()
	r := c.register(name)
	deadline := time.Now().Add(claimWait)
	var held []byte
	for {
		next, mine, err := c.next(held, self)
		if err != nil {
			return nil, err
		}
		if mine && held != nil && bytes.Equal(held, next) {
			return held, nil
		}
		if !bytes.Equal(held, next) {
			now, swapped, err := c.c.shared.Swap(ctx, r, held, next, 0)
			if err != nil {
				return nil, err
			}
			if swapped && mine {
				return next, nil
			}
			if !swapped {
				held = now
				continue
			}
			held = next
		}
		if time.Now().After(deadline) {
			return nil, pgerr.New(pgerr.LockNotAvailable, "another node has the table or the catalogue locked for writing").
				WithDetail("Waited %v for it.", claimWait).
				WithHint("Send ON CONFLICT, writes to tables with on_duplicate = 'error' and definitions to one node, or try again.")
		}
		poke(c.c.members.wake) // a holder that died is taken over sooner
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(claimPoll):
		}
		all, err := c.c.shared.Registers(ctx, c.scope())
		if err != nil {
			return nil, err
		}
		held = all[r.Name]
	}
}

// next returns what a claim's register is to hold, if it is held now, and whether
// that makes us its holder.
func (c *claims) next(held []byte, self string) (value []byte, mine bool, err error) {
	var now claim
	if held != nil {
		if err := json.Unmarshal(held, &now); err != nil {
			return nil, false, err
		}
	}
	if now.Holder == self {
		return held, true, nil
	}
	free := now.Holder == ""
	if !free {
		src, err := commitlog.ParseSource(now.Holder)
		if err != nil {
			return nil, false, err
		}
		free = c.sealed(src)
	}
	// Who came first is first, if it is alive.
	for free && len(now.Wanted) > 0 && now.Wanted[0] != self {
		src, err := commitlog.ParseSource(now.Wanted[0])
		if err == nil && c.c.members.has(src) {
			free = false
			break
		}
		now.Wanted = now.Wanted[1:]
	}
	if free {
		now.Holder = self
		now.Wanted = slices.DeleteFunc(now.Wanted, func(s string) bool { return s == self })
	} else if !slices.Contains(now.Wanted, self) {
		now.Wanted = append(now.Wanted, self)
	}
	value, err = json.Marshal(now)
	return value, free, err
}

// sealed says whether a source cannot commit any more: its log was sealed, or is
// gone.
func (c *claims) sealed(src commitlog.Source) bool {
	f := c.c.follower
	f.round.Lock()
	defer f.round.Unlock()
	return f.sealed[src] || f.floors[src] == gone
}

// give ends a transaction's use of a claim.
func (c *claims) give(name datum.OID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[name]; h != nil {
		h.users--
	}
}

// yield gives back the claims that others want and nobody here uses.
func (c *claims) yield(ctx context.Context) error {
	c.mu.Lock()
	any := len(c.held) > 0
	c.mu.Unlock()
	if !any {
		return nil
	}
	values, err := c.c.shared.Registers(ctx, c.scope())
	if err != nil {
		return err
	}
	self := c.c.db.own().String()
	for key, value := range values {
		var now claim
		if err := json.Unmarshal(value, &now); err != nil {
			return err
		}
		if now.Holder != self || len(now.Wanted) == 0 {
			continue
		}
		name, err := strconv.ParseUint(key, 10, 32)
		if err != nil {
			return err
		}
		if err := c.release(ctx, datum.OID(name), value, now); err != nil {
			return err
		}
	}
	return nil
}

// release gives one claim back, unless it is used.
func (c *claims) release(ctx context.Context, name datum.OID, value []byte, now claim) error {
	h := c.entry(name)
	select {
	case h.taking <- struct{}{}:
	default:
		return nil // somebody here is taking it
	}
	defer func() { <-h.taking }()
	c.mu.Lock()
	used := h.users > 0 || time.Since(h.since) < claimKeep
	if !used {
		h.value = nil
	}
	c.mu.Unlock()
	if used {
		return nil
	}
	now.Holder = ""
	next, err := json.Marshal(now)
	if err != nil {
		return err
	}
	// If it fails, or another one joined those who wait, the next round tries again.
	_, _, err = c.c.shared.Swap(ctx, c.register(name), value, next, 0)
	return err
}
