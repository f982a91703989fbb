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
	// Nonce changes each time that somebody takes the claim, so that what its
	// holder tried before, such as to give it back, cannot be done late.
	Nonce uint64
	// Chunks says that a node had it whose log others cannot see. What that wrote
	// was flushed before it gave the claim back.
	Chunks bool
}

// claims are those of this node. Its methods are safe for concurrent use.
type claims struct {
	c *cluster

	mu     sync.Mutex // guards the fields below
	held   map[datum.OID]*heldClaim
	closed bool // nothing is given back any more
}

type heldClaim struct {
	taking chan struct{} // of one token: the claim is being asked for or given back
	users  int           // transactions that rely on it
	has    bool          // we have the claim
	wanted bool          // by another node, for long enough: nobody here begins to use it
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

// close leaves the claims to whoever takes over our log: what a commit that is still
// under way has locked with them is certain only then.
func (c *claims) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// forget gives up everything, for this node has a new source.
func (c *claims) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held {
		h.has, h.wanted = false, false
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
		return t.db.cluster.beAlone(ctx, in)
	}
	return t.claim(ctx, in.def.OID)
}

// beAlone waits until all that other nodes have left is known. It refuses what
// cannot be done while there are any.
func (c *cluster) beAlone(ctx context.Context, in *tableInfo) error {
	ctx, cancel := context.WithTimeoutCause(ctx, claimWait, errNotAlone(in))
	defer cancel()
	for {
		if c.alone() {
			return nil
		}
		since, ok := c.members.alone()
		if !ok {
			return errNotAlone(in)
		}
		poke(c.wake) // the logs of nodes that were there before are sealed
		if err := c.follower.wait(ctx, since); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(claimPoll):
		}
	}
}

// alone says whether no other node writes, and all that others wrote is known.
func (c *cluster) alone() bool {
	since, ok := c.members.alone()
	return ok && c.follower.knows(since)
}

// knows says whether all logs of others were sealed and read to their ends, in a
// round that began at since or later.
func (f *follower) knows(since time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open == 0 && !f.began.Before(since)
}

func errNotAlone(in *tableInfo) error {
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

// take gets a claim for one more user. One that another node waits for is given
// back first, and then asked for again.
func (c *claims) take(ctx context.Context, name datum.OID) error {
	h := c.entry(name)
	deadline := time.Now().Add(claimWait)
	for {
		select {
		case h.taking <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		again, err := c.use(ctx, name, h, deadline)
		<-h.taking
		if !again {
			return err
		}
		if time.Now().After(deadline) {
			return errClaimed()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(claimPoll):
		}
	}
}

// use makes one more user of a claim, which is acquired if need be; again, if it is
// to be given back first. The caller has the token.
func (c *claims) use(ctx context.Context, name datum.OID, h *heldClaim, deadline time.Time) (again bool, err error) {
	c.mu.Lock()
	has, wanted := h.has, h.wanted
	if has && !wanted {
		h.users++
	}
	c.mu.Unlock()
	if has {
		return wanted, nil
	}
	self := c.c.db.own()
	chunks, err := c.acquire(ctx, name, self, deadline)
	if err != nil {
		return false, err
	}
	// What the holder before us committed has to be known.
	if chunks {
		c.c.follower.readAll()
	}
	if err := c.c.follower.wait(ctx, time.Now()); err != nil {
		return false, err // the register says that we have it: yield gives it back
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c.db.own() != self {
		return false, errSealed // it is of a source that we are not any more
	}
	h.has, h.wanted, h.since = true, false, time.Now()
	h.users++
	return false, nil
}

func errClaimed() error {
	return pgerr.New(pgerr.LockNotAvailable, "another node has the table or the catalogue locked for writing").
		WithDetail("Waited %v for it.", claimWait).
		WithHint("Send ON CONFLICT, writes to tables with on_duplicate = 'error' and definitions to one node, or try again.")
}

// acquire gets the register to name us, and returns what that says of Chunks.
func (c *claims) acquire(ctx context.Context, name datum.OID, self commitlog.Source, deadline time.Time) (chunks bool, err error) {
	r := c.register(name)
	var held []byte
	for {
		if c.c.db.own() != self {
			return false, errSealed
		}
		next, mine, err := c.next(ctx, held, self)
		if err != nil {
			return false, err
		}
		value, err := json.Marshal(next)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(held, value) {
			now, swapped, err := c.c.shared.Swap(ctx, r, held, value, 0)
			switch {
			case pgerr.Code(err) == pgerr.OutcomeUnknown: // the register tells, below
			case err != nil:
				return false, err
			case swapped && mine:
				return next.Chunks, nil
			case !swapped:
				held = now
				continue
			}
		}
		if time.Now().After(deadline) {
			return false, errClaimed()
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(claimPoll):
		}
		all, err := c.c.shared.Registers(ctx, c.scope())
		if err != nil {
			return false, err
		}
		held = all[r.Name]
	}
}

// next returns what a claim's register is to hold, if it is held now, and whether
// that makes us its holder.
func (c *claims) next(ctx context.Context, held []byte, self commitlog.Source) (now claim, mine bool, err error) {
	if held != nil {
		if err := json.Unmarshal(held, &now); err != nil {
			return now, false, err
		}
	}
	me := self.String()
	mine = now.Holder == "" || now.Holder == me
	if !mine {
		if mine, err = c.over(ctx, now.Holder); err != nil {
			return now, false, err
		}
	}
	// Who came first is first, if it is alive.
	for mine && now.Holder != me && len(now.Wanted) > 0 && now.Wanted[0] != me {
		src, err := commitlog.ParseSource(now.Wanted[0])
		if err == nil && c.c.members.has(src) {
			mine = false
			break
		}
		now.Wanted = now.Wanted[1:]
	}
	switch {
	case mine:
		now.Holder, now.Nonce = me, newEpoch()
		now.Wanted = slices.DeleteFunc(now.Wanted, func(s string) bool { return s == me })
	case !slices.Contains(now.Wanted, me):
		now.Wanted = append(now.Wanted, me)
	}
	return now, mine, nil
}

// over says whether a source that had a claim cannot commit any more: its log was
// sealed and read to its end, or is gone. If it died that is seen to.
func (c *claims) over(ctx context.Context, source string) (bool, error) {
	src, err := commitlog.ParseSource(source)
	if err != nil {
		return false, err
	}
	if c.c.follower.isOver(src) {
		return true, nil
	}
	if c.c.members.has(src) || elsewhere(src) && src.Writer != c.c.db.opt.Writer {
		return false, nil
	}
	poke(c.c.wake)
	poke(c.c.follower.wake)
	there, err := c.c.follower.logs(ctx)
	return err == nil && !there[src], err
}

// give ends a transaction's use of a claim.
func (c *claims) give(name datum.OID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[name]; h != nil {
		h.users--
	}
}

// yield gives back the claims that others want and nobody here uses, and does not
// keep others waiting behind us for those that nobody here wants any more.
func (c *claims) yield(ctx context.Context) error {
	c.mu.Lock()
	none := c.closed || len(c.held) == 0 && !c.c.opt.LocalLog
	c.mu.Unlock()
	if none {
		return nil
	}
	values, err := c.c.shared.Registers(ctx, c.scope())
	if err != nil {
		return err
	}
	me := c.c.db.own().String()
	for key, value := range values {
		var now claim
		if err := json.Unmarshal(value, &now); err != nil {
			return err
		}
		if now.Holder != me && !slices.Contains(now.Wanted, me) {
			left, err := c.left(ctx, now)
			if err != nil {
				return err
			}
			if !left {
				continue
			}
			now.Holder = me
		}
		name, err := strconv.ParseUint(key, 10, 32)
		if err != nil {
			return err
		}
		if err := c.release(ctx, datum.OID(name), value, now, me); err != nil {
			return err
		}
	}
	return nil
}

// left says whether an earlier process of this node left a claim that others want
// and cannot take, for they do not see what became of its log.
func (c *claims) left(ctx context.Context, now claim) (bool, error) {
	src, err := commitlog.ParseSource(now.Holder)
	if err != nil || !elsewhere(src) || src.Writer != c.c.db.opt.Writer || len(now.Wanted) == 0 {
		return false, nil
	}
	there, err := c.c.follower.logs(ctx)
	return err == nil && !there[src], err
}

// release gives back one claim, or our place among those that want it, unless it is
// used.
func (c *claims) release(ctx context.Context, name datum.OID, value []byte, now claim, me string) error {
	h := c.entry(name)
	select {
	case h.taking <- struct{}{}:
	default:
		return nil // somebody here is taking it
	}
	defer func() { <-h.taking }()
	if now.Holder == me && !c.letGo(h, len(now.Wanted) > 0, c.ofNothing(name)) {
		return nil
	}
	if now.Holder == me {
		if c.c.opt.LocalLog {
			if err := c.c.db.flushTable(ctx, name); err != nil {
				return err
			}
			now.Chunks = true
		}
		now.Holder = ""
	}
	now.Wanted = slices.DeleteFunc(now.Wanted, func(s string) bool { return s == me })
	var next []byte
	if now.Holder != "" || len(now.Wanted) > 0 || !c.ofNothing(name) {
		var err error
		if next, err = json.Marshal(now); err != nil {
			return err
		}
	}
	// If it fails, or another one joined those who wait, the next round tries again.
	_, _, err := c.c.shared.Swap(ctx, c.register(name), value, next, 0)
	return err
}

// letGo says whether a claim of ours is to be given back now, and notes if another
// node waits for it.
func (c *claims) letGo(h *heldClaim, wanted, useless bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.wanted = wanted && (!h.has || time.Since(h.since) >= claimKeep)
	if c.closed || h.users > 0 || !h.wanted && !useless {
		return false
	}
	h.has, h.wanted = false, false
	return true
}

// ofNothing says whether a claim's table is gone.
func (c *claims) ofNothing(name datum.OID) bool {
	return name != catalogueLock && c.c.db.current.Load().catalog.Tables[name] == nil
}
