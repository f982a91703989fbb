package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestClusterClaimsStress has three nodes do what only one may do at a time while
// nodes and calls fail as in TestClusterStress: counters lose no update, in a table
// whose rows replace each other either, keys are taken once, and a table that is
// emptied and filled in one transaction is never seen in between.
func TestClusterClaimsStress(t *testing.T) {
	s := &claimStress{stress: newStress(t, "b"), owners: map[string]int64{}, rank: map[int64]int{}}
	db := s.nodes[0].db
	s.counters = createTable(t, db, "counters", true, schema.DuplicateError)
	s.ledger = createTable(t, db, "ledger", false, 0)
	s.replaced = createTable(t, db, "replaced", true, schema.DuplicateReplace)
	s.tallies = createTable(t, db, "tallies", false, 0)
	s.unique = createTable(t, db, "items", true, schema.DuplicateError)
	s.filled = createTable(t, db, "filled", false, 0)
	for i := range s.nodes {
		past := &pastFills{}
		s.start(i, s.add, s.claimKey, s.noise, s.put, func(n *stressNode, db *engine.DB, rng *rand.Rand) { s.look(n, db, rng, past) })
	}
	s.start(0, s.refill)
	s.start(1, s.refill)
	s.start(2, s.define)
	s.start(0, s.placer(s.counters, s.ledger, s.replaced, s.tallies, s.unique))
	s.run()
	s.end()
}

type claimStress struct {
	*stress
	counters, ledger, unique, filled, replaced, tallies datum.OID

	keys atomic.Int64 // numbers the keys that nodes race for
	adds sync.Map     // by transaction, the key it adds to

	kmu    sync.Mutex       // guards the fields below
	owners map[string]int64 // who has a key, as was acknowledged or seen
	rank   map[int64]int    // of fills, in the order in which they were acknowledged
	over   int              // fills up to that one were replaced by others that began later
}

func (s *claimStress) in(db *engine.DB, f func(ctx context.Context, tx *engine.Txn) error) error {
	// What a commit has locked whose outcome is unknown is locked until that is known:
	// on a node that is dead for ever.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(ctx); err != nil {
		return err
	}
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// add adds one to a counter and notes so in the ledger.
func (s *claimStress) add(n *stressNode, db *engine.DB, rng *rand.Rand) {
	u := s.last.Add(1)
	k, table := counterKey(rng.IntN(3)), s.counters
	count := countUp
	switch rng.IntN(6) {
	case 0:
		k.k, table = "replaced "+k.k, s.replaced
	case 1:
		k.k, table, count = "replaced "+k.k, s.replaced, update
	case 2:
		count = update
	case 3, 4:
		k.k, table, count = "tally "+k.k, s.tallies, update
	}
	s.adds.Store(u, k.k)
	err := s.in(db, func(ctx context.Context, tx *engine.Txn) error {
		err := count(ctx, tx, table, k)
		if err != nil {
			return err
		}
		_, _, err = tx.Insert(ctx, s.ledger, batchOf(row{k.k, u * hour / 100, u}), chunk.InsertDefault)
		return err
	})
	s.settle(n, u, err)
}

// countUp adds one to the row of a key, as ON CONFLICT does.
func countUp(ctx context.Context, tx *engine.Txn, table datum.OID, k row) error {
	old, at, err := tx.Lookup(ctx, table, keyBatch(k))
	if err != nil {
		return err
	}
	k.v = 1
	if at[0] >= 0 {
		k.v += old.Column(2).(*array.Int64).Value(int(at[0]))
	}
	_, _, err = tx.Insert(ctx, table, batchOf(k), chunk.InsertReplace)
	return err
}

// update adds one to the row of a key, or inserts it, as UPDATE does.
func update(ctx context.Context, tx *engine.Txn, table datum.OID, k row) error {
	mark := tx.Savepoint()
	for {
		if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
			return err
		}
		rows, err := read(tx, table, chunk.Predicate{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{k.k}})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return countUpFirst(ctx, tx, table, k)
		}
		k.v = 1
		for old := range rows { // several would show as a counter that is wrong
			again, err := tx.Delete(ctx, table, batchOf(old))
			if err != nil {
				return err
			}
			if again {
				k.v = 0
				break
			}
			k.v += old.v
		}
		if k.v > 0 {
			_, _, err = tx.Insert(ctx, table, batchOf(k), chunk.InsertReplace)
			return err
		}
		if err := tx.RollbackTo(ctx, mark); err != nil {
			return err
		}
	}
}

// countUpFirst inserts the row of a key. Where there is a primary key somebody may do
// so at the same time.
func countUpFirst(ctx context.Context, tx *engine.Txn, table datum.OID, k row) error {
	if tx.Catalog().Tables[table].Keyed() {
		return countUp(ctx, tx, table, k)
	}
	k.v = 1
	_, _, err := tx.Insert(ctx, table, batchOf(k), chunk.InsertDefault)
	return err
}

// addsOf tells of the transactions that added to a key, as far as they are known, and
// are not among those seen.
func (s *claimStress) addsOf(key string, seen []int64) string {
	var out []string
	s.adds.Range(func(u, k any) bool {
		if k == key && !slices.Contains(seen, u.(int64)) {
			s.mu.Lock()
			defer s.mu.Unlock()
			by, acked := s.acked[u.(int64)]
			switch {
			case acked:
				out = append(out, fmt.Sprintf("%d acknowledged by %s", u, s.nodes[by].name))
			case s.failed[u.(int64)] == "":
				out = append(out, fmt.Sprintf("%d not decided", u))
			}
		}
		return true
	})
	return strings.Join(out, ", ")
}

// put replaces a row beside the counters, without looking.
func (s *claimStress) put(n *stressNode, db *engine.DB, rng *rand.Rand) {
	_ = s.in(db, func(ctx context.Context, tx *engine.Txn) error {
		_, _, err := tx.Insert(ctx, s.replaced, batchOf(row{fmt.Sprint("put ", rng.IntN(9)), int64(rng.IntN(3)) * hour, rng.Int64()}), chunk.InsertDefault)
		return err
	})
	time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
}

// claimKey races with the other nodes for a key.
func (s *claimStress) claimKey(n *stressNode, db *engine.DB, rng *rand.Rand) {
	u := s.last.Add(1)
	key := fmt.Sprint("key ", s.keys.Add(1)/4)
	err := s.in(db, func(ctx context.Context, tx *engine.Txn) error {
		_, _, err := tx.Insert(ctx, s.unique, batchOf(row{key, 0, u}), chunk.InsertDefault)
		return err
	})
	s.settle(n, u, err)
	if err == nil {
		s.owns(n.name+" acknowledged", key, u)
	}
}

// owns notes whose a key is: for good.
func (s *claimStress) owns(who, key string, u int64) {
	s.kmu.Lock()
	defer s.kmu.Unlock()
	if old, ok := s.owners[key]; ok && old != u {
		s.t.Errorf("%s: %s is of transaction %d, and was of %d", who, key, u, old)
		s.stop.Store(true)
	}
	s.owners[key] = u
}

const fillRows = 7

// refill empties a table and fills it, in one transaction.
func (s *claimStress) refill(n *stressNode, db *engine.DB, rng *rand.Rand) {
	u := s.last.Add(1)
	s.kmu.Lock()
	before := len(s.rank)
	s.kmu.Unlock()
	err := s.in(db, func(ctx context.Context, tx *engine.Txn) error {
		if err := tx.Truncate(ctx, s.filled); err != nil {
			return err
		}
		rows := make([]row, fillRows)
		for i := range rows {
			rows[i] = row{fmt.Sprint(i), int64(i) * hour, u}
		}
		_, _, err := tx.Insert(ctx, s.filled, batchOf(rows...), chunk.InsertDefault)
		return err
	})
	if err == nil {
		s.kmu.Lock()
		s.rank[u], s.over = len(s.rank)+1, max(s.over, before)
		s.kmu.Unlock()
	}
	s.settle(n, u, err)
	time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
}

// noise inserts into the table that is being emptied.
func (s *claimStress) noise(n *stressNode, db *engine.DB, rng *rand.Rand) {
	_ = s.in(db, func(ctx context.Context, tx *engine.Txn) error {
		_, _, err := tx.Insert(ctx, s.filled, batchOf(row{fmt.Sprint("noise", rng.IntN(9)), 0, -1}), chunk.InsertDefault)
		return err
	})
	time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
}

// define makes a table with rows on one node, which others know at once, and drops
// it again.
func (s *claimStress) define(n *stressNode, db *engine.DB, rng *rand.Rand) {
	name := fmt.Sprint("t", s.last.Add(1))
	var oid datum.OID
	r := row{"a", 1, 1}
	err := s.in(db, func(ctx context.Context, tx *engine.Txn) (err error) {
		if oid, err = tx.TakeOIDs(ctx, 5); err != nil {
			return err
		}
		if err := tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, name, false, 0)}); err != nil {
			return err
		}
		_, _, err = tx.Insert(ctx, oid, batchOf(r), chunk.InsertDefault)
		return err
	})
	if err != nil {
		return
	}
	see := func(there bool) {
		s.nodes[rng.IntN(2)].with(func(db *engine.DB) {
			got, err := readAll(db, false, []datum.OID{oid})
			switch {
			case there && (codeOf(err) == pgerr.UndefinedTable || err == nil && got[0][r] != 1), !there && err == nil:
				s.t.Errorf("table %s, which is there: %v; another node reads %v, %v", name, there, got, err)
				s.stop.Store(true)
			}
		})
	}
	see(true)
	err = s.in(db, func(ctx context.Context, tx *engine.Txn) error { return tx.Apply(ctx, schema.Change{DropTable: oid}) })
	if err == nil {
		see(false)
	}
}

// pastFills are those that a node has seen.
type pastFills struct {
	last int64
	past map[int64]bool
}

func (s *claimStress) look(n *stressNode, db *engine.DB, rng *rand.Rand, past *pastFills) {
	s.kmu.Lock()
	over := s.over
	s.kmu.Unlock()
	s.reads.Add(1)
	err := s.see(n.name, db, rng.IntN(3) == 0, over, past)
	if err == nil {
		s.whole.Add(1)
	} else {
		s.mu.Lock()
		s.errors[err.Error()]++
		s.mu.Unlock()
	}
	time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
}

var errFault = errors.New("a fault was found")

// see reads all tables as of one moment.
func (s *claimStress) see(who string, db *engine.DB, latest bool, over int, past *pastFills) error {
	fault := func(format string, args ...any) error {
		s.t.Errorf("node %s, latest %v: "+format, append([]any{who, latest}, args...)...)
		s.stop.Store(true)
		return errFault
	}
	tables := []datum.OID{s.counters, s.ledger, s.unique, s.filled, s.replaced, s.tallies}
	got, snapshot, err := readAndDescribe(db, latest, tables)
	if err != nil {
		return err
	}
	added := map[string]int64{}
	for r, times := range got[1] {
		if added[r.k]++; times != 1 {
			return fault("transaction %d is %d times in the ledger", r.v, times)
		}
		s.mu.Lock()
		why := s.failed[r.v]
		s.mu.Unlock()
		if why != "" {
			return fault("transaction %d is there and had failed: %s", r.v, why)
		}
	}
	maps.Copy(got[0], got[4])
	maps.Copy(got[0], got[5])
	for r := range got[0] {
		if added[r.k] != r.v && !strings.HasPrefix(r.k, "put ") {
			var last []int64
			for l := range got[1] {
				if l.k == r.k {
					last = append(last, l.v)
				}
			}
			slices.Sort(last)
			return fault("%s is %d, the ledger has %d, the last are %v, others %s; %d rows of the ledger were read\n%s",
				r.k, r.v, added[r.k], last[max(0, len(last)-5):], s.addsOf(r.k, last), len(got[1]), snapshot())
		}
	}
	for r := range got[2] {
		s.owns("node "+who, r.k, r.v)
	}
	return s.seeFill(got[3], over, past, fault)
}

func (s *claimStress) seeFill(rows map[row]int, over int, past *pastFills, fault func(string, ...any) error) error {
	fills := map[int64]int{}
	for r, times := range rows {
		if r.v >= 0 {
			fills[r.v] += times
		}
	}
	if len(fills) == 0 && over == 0 {
		return nil
	}
	if len(fills) != 1 {
		return fault("%d fills are there: %v", len(fills), fills)
	}
	for u, times := range fills {
		if times != fillRows {
			return fault("%d rows of fill %d are there", times, u)
		}
		s.kmu.Lock()
		rank := s.rank[u]
		s.kmu.Unlock()
		if rank > 0 && rank <= over {
			return fault("fill %d is there, acknowledged as number %d, and those up to %d were replaced", u, rank, over)
		}
		if past == nil {
			return nil
		}
		if u != past.last {
			if past.past[u] {
				return fault("fill %d is back after %d", u, past.last)
			}
			if past.past == nil {
				past.past = map[int64]bool{}
			}
			past.past[past.last], past.last = true, u
		}
	}
	return nil
}

// end checks that what was acknowledged is there.
func (s *claimStress) end() {
	s.t.Logf("%d transactions acknowledged, %d unknown, %d failed; %d keys; %d fills; %d reads, %d of them failed; %d changes of where rows are put",
		len(s.acked), len(s.open), len(s.failed), len(s.owners), len(s.rank), s.reads.Load(), s.reads.Load()-s.whole.Load(), s.placed.Load())
	for e, n := range s.errors {
		s.t.Logf("%d reads: %s", n, e)
	}
	for _, n := range s.nodes { // commits that were open are settled
		why := map[string]bool{}
		await(s.t, "node "+n.name+" adds", func() bool { s.add(n, n.db, s.rng); return s.known(s.last.Load(), why) })
	}
	look := func(n *stressNode) {
		await(s.t, "node "+n.name+" reads", func() bool {
			err := s.see(n.name+" at the end", n.db, true, s.over, nil)
			return err == nil || errors.Is(err, errFault)
		})
		got, err := readAll(n.db, true, []datum.OID{s.ledger, s.unique})
		if err != nil {
			s.t.Fatal(err)
		}
		there := map[int64]bool{}
		for _, rows := range got {
			for r := range rows {
				there[r.v] = true
			}
		}
		for u := range s.acked {
			if s.rank[u] == 0 && !there[u] {
				s.t.Errorf("node %s: transaction %d, acknowledged by %d, is not there", n.name, u, s.acked[u])
			}
		}
	}
	for _, n := range s.nodes {
		look(n)
		n.close()
	}
	d := &stressNode{s: s.stress, name: "d", rng: s.fork()}
	if err := d.open(); err != nil {
		s.t.Fatal(err)
	}
	look(d)
	d.node.close()
}

// known says whether transaction u was acknowledged, and why not, once for each reason.
func (s *claimStress) known(u int64, why map[string]bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.acked[u]
	if reason := cmp.Or(s.failed[u], "outcome unknown"); !ok && !why[reason] {
		why[reason] = true
		s.t.Logf("at the end a transaction failed on node %s", reason)
	}
	return ok
}

// TestClusterLookupBesideAppend: a row that is on its way into the log of a node while another
// node's later ones are seen already is one that a transaction did not look up.
func TestClusterLookupBesideAppend(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", quiet), newNode(t, shared, "b", quiet)
	table, other := createTable(t, a.db, "state", true, schema.DuplicateReplace), createTable(t, a.db, "events", false, 0)
	insert(t, a.db, table, row{"k", 1, 1})
	b.latest(other)
	update := func(from, to int64) *engine.Txn {
		tx := begin(t, a.db, engine.TxnOptions{})
		change(t, tx, table, []row{{"k", 1, from}}, []row{{"k", 1, to}})
		return tx
	}
	if err := update(1, 2).Commit(ctx); err != nil { // the node has the table for itself from now on
		t.Fatal(err)
	}
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	log := a.db.SourceLog()
	hold := func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpAppend && c.Log == log {
			once.Do(func() {
				close(reached)
				<-release
			})
		}
		return memstore.Verdict{}
	}
	a.fate.Store(&hold)
	first := make(chan error, 1)
	go func() {
		tx, err := a.db.Begin(ctx, engine.TxnOptions{})
		if err == nil {
			err = tx.Snapshot(ctx)
		}
		if err == nil {
			_, _, err = tx.Insert(ctx, table, batchOf(row{"k", 1, 100}), chunk.InsertReplace)
		}
		if err == nil {
			err = tx.Commit(ctx)
		}
		first <- err
	}()
	<-reached
	insert(t, b.db, other, row{"o", 1, 1})
	sameRows(t, "the other node's row", a.latest(other), counts(row{"o", 1, 1}))
	tx := update(2, 3)
	second := make(chan error, 1)
	go func() { second <- tx.Commit(ctx) }()
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := <-second; codeOf(err) != pgerr.SerializationFailure {
		t.Errorf("a row that was replaced since: %v", err)
	}
	sameRows(t, "at the end", a.latest(table), counts(row{"k", 1, 100}))
	a.close()
	b.close()
	shared.Close()
}
