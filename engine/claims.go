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
	"github.com/phyllodb/phyllo/engine/lock"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A claim gives one node at a time the right to what must see the newest state of
// a table, or of the catalogue, and keep others from changing it: definitions,
// and writes that look whether a key exists. Nodes that only put rows into a table
// that replaces share its claim. It is a register that changes by compare-and-set. A
// node keeps a claim until another one wants it, and takes it from one that died
// after the log of that one was sealed: whatever the other still believes, it cannot
// commit any more. What is in a journal no seal keeps from being committed: so only
// the node itself ends a share under which it commits there.
type claim struct {
	Holder    string   // a source, which has it for itself
	Shared    []string `json:",omitempty"` // sources that share it
	Journaled []string `json:",omitempty"` // those that share it and commit to their journals
	Wanted    []string // sources of nodes that wait for it, by arrival
	// Nonce changes each time that somebody takes the claim, so that what its
	// holder tried before, such as to give it back, cannot be done late.
	Nonce uint64
}

// A claimMode is how a claim is held.
type claimMode uint8

const (
	unclaimed claimMode = iota
	shared
	exclusive
)

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
	mode   claimMode     // in which we have the claim
	wanted bool          // by another node, for long enough, or by us alone: nobody here begins to use it
	alone  time.Time     // when somebody here asked last to have what is shared for this node alone
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
		h.mode, h.wanted = unclaimed, false
	}
}

// claim takes what is called name for a transaction, until it ends: for this node
// alone. What others committed before is in the current state when it returns.
func (t *Txn) claim(ctx context.Context, name datum.OID) error {
	return t.claimAs(ctx, name, exclusive)
}

func (t *Txn) claimAs(ctx context.Context, name datum.OID, mode claimMode) error {
	if t.db.cluster == nil || slices.Contains(t.claimed, name) {
		return nil
	}
	if t.claimedAs == (commitlog.Source{}) {
		t.claimedAs = t.db.own()
	}
	if limit := t.owner.LockTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, lock.ErrTimeout)
		defer cancel()
	}
	if err := t.db.cluster.claims.take(ctx, name, mode); err != nil {
		if ctx.Err() != nil { // the store does not say why it was broken off
			err = context.Cause(ctx)
		}
		return err
	}
	t.claimed = append(t.claimed, name)
	t.alone = t.alone || !t.db.cluster.claims.shares(name)
	return nil
}

// claimReplaced gets its share in the claims of the tables in which the transaction
// replaces rows without looking, so that nobody elsewhere looks just then. That is for
// the commit only, which is what others must not miss.
func (t *Txn) claimReplaced(ctx context.Context) error {
	if t.db.cluster == nil {
		return nil
	}
	s := t.db.current.Load()
	for _, id := range sortedIDs(t.work.parts) {
		st := s.storages[id.Table]
		if st == nil || !st.info.keyed() || st.info.def.OnDuplicate != schema.DuplicateReplace {
			continue // new with this transaction, or claimed when the rows were looked for
		}
		if err := t.claimAs(ctx, st.info.def.OID, shared); err != nil {
			return err
		}
	}
	return nil
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
func (c *claims) take(ctx context.Context, name datum.OID, mode claimMode) error {
	h := c.entry(name)
	deadline := time.Now().Add(claimWait)
	for {
		select {
		case h.taking <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		again, err := c.use(ctx, name, h, mode, deadline)
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
func (c *claims) use(ctx context.Context, name datum.OID, h *heldClaim, mode claimMode, deadline time.Time) (again bool, err error) {
	if err := c.sure(mode); err != nil {
		return false, err
	}
	if used, again := h.join(c, mode); used || again {
		return again, nil
	}
	self := c.c.db.own()
	if err := c.c.db.forwardNow(); err != nil { // what was committed under an earlier share of ours
		return false, err
	}
	if err := c.acquire(ctx, name, self, mode, deadline); err != nil {
		return false, err
	}
	// What those who had it before us committed has to be known.
	if err := c.c.follower.wait(ctx, time.Now()); err != nil {
		return false, err // the register says that we have it: yield gives it back
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c.db.own() != self {
		return false, errSealed // it is of a source that we are not any more
	}
	h.mode, h.wanted, h.since = mode, false, time.Now()
	h.users++
	return false, nil
}

// sure says why this node cannot look whether keys exist: its journal may have a commit
// of which a restart will tell.
func (c *claims) sure(mode claimMode) error {
	if j := c.c.db.journal(); mode != exclusive || j == nil || !j.unsure.Load() {
		return nil
	}
	return pgerr.New(pgerr.IOError, "the disk did not tell whether a commit is in the journal of node %q", c.c.db.opt.Writer).
		WithHint("Restart the node: what is in its journal shows then.")
}

// join makes one more user of a claim that we have. Again says that those who use it
// have to end first, since another node waits for it, or since it is not to be shared
// any more; without either it has to be acquired.
func (h *heldClaim) join(c *claims, mode claimMode) (used, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case h.mode == unclaimed:
		return false, false
	case h.mode < mode && h.users > 0:
		h.wanted, h.alone = true, time.Now()
		return false, true
	case h.mode < mode:
		h.mode = unclaimed
		return false, false
	case h.wanted:
		return false, true
	}
	h.users++
	return true, false
}

// shares says whether a claim that is in use is only shared.
func (c *claims) shares(name datum.OID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[name].mode == shared
}

func errClaimed() error {
	return pgerr.New(pgerr.LockNotAvailable, "another node has the table or the catalogue locked for writing").
		WithDetail("Waited %v for it.", claimWait).
		WithHint("Send ON CONFLICT, writes to tables with on_duplicate = 'error' and definitions to one node, or try again.")
}

// acquire gets the register to name us.
func (c *claims) acquire(ctx context.Context, name datum.OID, self commitlog.Source, mode claimMode, deadline time.Time) error {
	r := c.register(name)
	var held []byte
	for {
		if c.c.db.own() != self {
			return errSealed
		}
		next, mine, err := c.next(ctx, held, self, mode)
		if err != nil {
			return err
		}
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		if !bytes.Equal(held, value) {
			found, swapped, err := c.c.shared.Swap(ctx, r, held, value, 0)
			switch {
			case pgerr.Code(err) == pgerr.OutcomeUnknown: // the register tells, below
			case err != nil:
				return err
			case swapped && mine:
				return nil
			case !swapped:
				held = found
				continue
			}
		}
		if err := c.blocked(ctx, &next); err != nil {
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
		all, err := c.c.shared.Registers(ctx, c.scope())
		if err != nil {
			return err
		}
		held = all[r.Name]
	}
}

// next returns what a claim's register is to hold, if it is held now, and whether
// that makes it ours in a mode. Those that cannot commit any more lose it.
func (c *claims) next(ctx context.Context, held []byte, self commitlog.Source, mode claimMode) (now claim, mine bool, err error) {
	if held != nil {
		if err := json.Unmarshal(held, &now); err != nil {
			return now, false, err
		}
	}
	me := self.String()
	if now.Holder == me {
		now.Holder = ""
	}
	now.Shared = without(now.Shared, me)
	now.Journaled = without(now.Journaled, now.ours(c.c.db.opt.Writer)...)
	if err := c.bury(ctx, &now); err != nil {
		return now, false, err
	}
	mine = now.Holder == "" && (mode == shared || len(now.Shared) == 0 && len(now.Journaled) == 0)
	// Who came first is first, if it is alive.
	for mine && len(now.Wanted) > 0 && now.Wanted[0] != me {
		src, err := commitlog.ParseSource(now.Wanted[0])
		if err == nil && c.c.members.has(src) {
			mine = false
			break
		}
		now.Wanted = now.Wanted[1:]
	}
	switch {
	case !mine:
		if !slices.Contains(now.Wanted, me) {
			now.Wanted = append(now.Wanted, me)
		}
		return now, false, nil
	case mode == shared && c.c.journal != nil:
		now.Journaled = append(now.Journaled, me)
	case mode == shared:
		now.Shared = append(now.Shared, me)
	default:
		now.Holder = me
	}
	now.Wanted, now.Nonce = without(now.Wanted, me), newEpoch()
	return now, true, nil
}

// bury takes a claim from sources that cannot commit any more.
func (c *claims) bury(ctx context.Context, now *claim) error {
	if now.Holder != "" {
		over, err := c.over(ctx, now.Holder)
		if err != nil {
			return err
		}
		if over {
			now.Holder = ""
		}
	}
	for _, src := range slices.Clone(now.Shared) {
		over, err := c.over(ctx, src)
		if err != nil {
			return err
		}
		if over {
			now.Shared = without(now.Shared, src)
		}
	}
	if len(now.Journaled) == 0 {
		return nil
	}
	states, err := c.c.journals.states(ctx)
	if err != nil {
		return err
	}
	for _, share := range slices.Clone(now.Journaled) {
		src, err := commitlog.ParseSource(share)
		if err == nil && !states[src.Writer].Drained {
			continue
		}
		over, err := c.over(ctx, share) // it may commit past the journal
		if err != nil {
			return err
		}
		if over {
			now.Journaled = without(now.Journaled, share)
		}
	}
	return nil
}

func without(list []string, gone ...string) []string {
	return slices.DeleteFunc(list, func(have string) bool { return slices.Contains(gone, have) })
}

// ours returns the shares of a node that commits to a journal, those of its earlier
// processes included.
func (now *claim) ours(node string) (out []string) {
	for _, share := range now.Journaled {
		if src, err := commitlog.ParseSource(share); err == nil && src.Writer == node {
			out = append(out, share)
		}
	}
	return out
}

// blocked says why a claim cannot be had: a node shares it that does not run and whose
// commits nobody else knows.
func (c *claims) blocked(ctx context.Context, now *claim) error {
	for _, share := range now.Journaled {
		src, err := commitlog.ParseSource(share)
		if err != nil || !c.c.journals.isLost(src.Writer) {
			continue
		}
		if err := c.c.members.look(ctx); err != nil { // it may have come back
			return err
		}
		if c.c.journals.isLost(src.Writer) {
			return c.c.journals.lost()
		}
	}
	return nil
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
	if c.c.members.has(src) {
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
	none := c.closed || len(c.held) == 0 && c.c.opt.Journal == nil
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
		if !now.has(me) && !slices.Contains(now.Wanted, me) && len(now.ours(c.c.db.opt.Writer)) == 0 {
			continue
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

// has says whether a source has the claim, or a share in it.
func (now *claim) has(s string) bool { return now.Holder == s || slices.Contains(now.Shared, s) }

// release gives back one claim, or our place among those that want it, unless it is
// used. What we have committed with it goes first, if it is in a journal.
func (c *claims) release(ctx context.Context, name datum.OID, value []byte, now claim, me string) error {
	h := c.entry(name)
	select {
	case h.taking <- struct{}{}:
	default:
		return nil // somebody here is taking it
	}
	defer func() { <-h.taking }()
	ours := now.ours(c.c.db.opt.Writer)
	if len(ours) > 0 && c.sure(exclusive) != nil {
		c.keep(h) // others would miss what may come to light
		return nil
	}
	if now.has(me) || len(ours) > 0 {
		if !c.letGo(h, len(now.Wanted) > 0, c.ofNothing(name)) {
			return nil
		}
		if err := c.c.db.forwardNow(); err != nil {
			return err // the register says that we have it; the next round tries again
		}
	}
	if now.Holder == me {
		now.Holder = ""
	}
	now.Shared, now.Journaled, now.Wanted = without(now.Shared, me), without(now.Journaled, ours...), without(now.Wanted, me)
	var next []byte
	if now.Holder != "" || len(now.Shared) > 0 || len(now.Journaled) > 0 || len(now.Wanted) > 0 || !c.ofNothing(name) {
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
	byOthers := wanted && (h.mode == unclaimed || time.Since(h.since) >= claimKeep)
	h.wanted = byOthers || time.Since(h.alone) < 2*claimPoll
	if c.closed || h.users > 0 || !byOthers && !useless {
		return false
	}
	h.mode, h.wanted = unclaimed, false
	return true
}

// keep notes that a claim of ours is not given back, so that nobody here is to wait
// until it is.
func (c *claims) keep(h *heldClaim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.wanted = false
}

// ofNothing says whether a claim's table is gone.
func (c *claims) ofNothing(name datum.OID) bool {
	return name != catalogueLock && c.c.db.current.Load().catalog.Tables[name] == nil
}
