package engine_test

import (
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
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// A journaled node has a disk of its own, on which its commits are durable.
type journaled struct {
	*node
	disk    *vfs.Mem
	journal *local.Store
}

// never is an interval at which nothing is forwarded.
const never = time.Hour

func openJournal(disk vfs.FS) (*local.Store, error) {
	return local.Open(local.Options{Dir: "wal", FS: disk, CacheBytes: -1, LogFileBytes: 16 << 10})
}

// predecessors are the last sources of nodes, which need not wait for their leases.
var predecessors sync.Map

// tryJournaled starts a node; commit says whether it commits to its journal.
func tryJournaled(t testing.TB, shared *memstore.Store, name string, disk vfs.FS, commit bool, forward time.Duration) (*journaled, error) {
	t.Helper()
	journal, err := openJournal(disk)
	if err != nil {
		t.Fatal(err)
	}
	n := &journaled{node: &node{t: t, name: name}, journal: journal}
	n.disk, _ = disk.(*vfs.Mem)
	n.store = shared.Node(n.hook)
	opt := quiet
	opt.Writer, opt.Cluster = name, fastCluster()
	opt.Cluster.Journal, opt.Cluster.CommitToJournal, opt.Cluster.Forward = journal, commit, forward
	id := fmt.Sprintf("%p %s", shared, name)
	if previous, ok := predecessors.Load(id); ok {
		opt.Cluster.Predecessor = previous.(string)
	}
	opt.Cluster.Began = func(source string) error { predecessors.Store(id, source); return nil }
	if n.db, err = engine.Open(context.Background(), n.store, opt); err != nil {
		journal.Close()
		n.store.Close()
	}
	return n, err
}

func newJournaled(t testing.TB, shared *memstore.Store, name string, disk *vfs.Mem, forward time.Duration) *journaled {
	t.Helper()
	n, err := tryJournaled(t, shared, name, disk, true, forward)
	if err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	return n
}

// crash is a power cut; it returns what is left of the disk.
func (n *journaled) crash(rng *rand.Rand) *vfs.Mem {
	disk := n.disk.Crash(vfs.CrashModes[rng.IntN(len(vfs.CrashModes))], rng.Uint64())
	n.kill()
	n.journal.Close()
	return disk
}

func (n *journaled) close() {
	n.t.Helper()
	n.node.close()
	if err := n.journal.Close(); err != nil {
		n.t.Error(err)
	}
}

// waiting says how many entries of journals are on a disk.
func waiting(t testing.TB, disk *vfs.Mem) (n int) {
	t.Helper()
	s, err := openJournal(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	logs, err := s.List(context.Background(), store.SourceLog)
	for _, log := range logs {
		head, _ := s.Head(context.Background(), log)
		first, _ := s.First(context.Background(), log)
		n += int(head + 1 - first)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tryLatest reads a table as of now.
func (n *node) tryLatest(table datum.OID) (map[row]int, error) {
	got, err := readAll(n.db, true, []datum.OID{table})
	if err != nil {
		return nil, err
	}
	return got[0], nil
}

// warm writes to all partitions of a table: the first write to one is not for the
// journal.
func warm(t testing.TB, db *engine.DB, table datum.OID) map[row]int {
	t.Helper()
	want := map[row]int{}
	for i := range int64(16) {
		r := row{fmt.Sprint("warm", i), i * hour, i}
		insert(t, db, table, r)
		want[r]++
	}
	return want
}

// TestJournalSees has a node commit to its journal: it sees its commits at once,
// others when they were forwarded, in order, or when they ask for the latest.
func TestJournalSees(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			t.Parallel()
			shared := memstore.New(nil)
			a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
			table := createTable(t, b.db, "events", keyed, schema.DuplicateReplace)
			want := warm(t, a.db, table)
			sameRows(t, "the other node", b.latest(table), want)
			before := maps.Clone(want) // what was forwarded
			for i := range int64(20) {
				r := row{fmt.Sprint("a", i), i, i}
				insert(t, a.db, table, r)
				want[r]++
				sameRows(t, "its own node", mustRead(t, a.db, table), want)
				if i%3 == 0 {
					sameRows(t, "the other node, at once", mustRead(t, b.db, table), before)
				}
				if i%5 == 4 {
					r := row{fmt.Sprint("b", i), i, i}
					insert(t, b.db, table, r)
					want[r]++
					sameRows(t, "the other node, as of now", b.latest(table), want)
					sameRows(t, "its own node, as of now", a.latest(table), want)
					before = maps.Clone(want)
				}
				if i%7 == 6 {
					checkpoint(t, a.db)
					sameRows(t, "the other node, after a flush", b.latest(table), want)
					sameRows(t, "its own node, after a flush", mustRead(t, a.db, table), want)
					before = maps.Clone(want)
				}
			}
			a.close()
			sameRows(t, "after its node left", b.latest(table), want)
			if n := waiting(t, a.disk); n != 0 {
				t.Errorf("%d entries are in the journal of a node that left", n)
			}
			b.close()
		})
	}
}

// TestJournalForwards has a node forward by itself.
func TestJournalForwards(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newJournaled(t, shared, "a", vfs.NewMem(), 20*time.Millisecond), newNode(t, shared, "b", quiet)
	table := createTable(t, b.db, "events", false, 0)
	want := warm(t, a.db, table)
	for i := range int64(50) {
		r := row{fmt.Sprint("a", i), i, i}
		insert(t, a.db, table, r)
		want[r]++
	}
	await(t, "node b sees all", func() bool { return len(mustRead(t, b.db, table)) == len(want) })
	sameRows(t, "node b", mustRead(t, b.db, table), want)
	a.close()
	b.close()
}

// TestJournalNewest has a row that is forwarded late not replace one that another
// node has committed after it.
func TestJournalNewest(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	rng := newRand(t)
	a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
	table := createTable(t, b.db, "state", true, schema.DuplicateReplace)
	want := warm(t, a.db, table)
	insert(t, a.db, table, row{"warm1", hour, 100}, row{"warm2", 2 * hour, 100})
	insert(t, b.db, table, row{"warm1", hour, 200})
	checkpoint(t, b.db)
	delete(want, row{"warm1", hour, 1})
	delete(want, row{"warm2", 2 * hour, 2})
	want[row{"warm1", hour, 200}], want[row{"warm2", 2 * hour, 100}] = 1, 1
	disk := a.crash(rng)
	a = newJournaled(t, shared, "a", disk, never)
	for _, n := range []*node{a.node, b} {
		sameRows(t, "node "+n.name, n.latest(table), want)
		checkpoint(t, n.db)
		sameRows(t, "node "+n.name+" after a flush", n.latest(table), want)
	}
	a.close()
	b.close()
}

// TestJournalCrash cuts the power of a node: its commits are there once it was
// started again with its disk, whatever became of the log that they had been
// forwarded to; until then others say so where it matters.
func TestJournalCrash(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{false, true} {
		for _, taken := range []bool{false, true} {
			t.Run(fmt.Sprintf("keyed=%v/taken=%v", keyed, taken), func(t *testing.T) {
				t.Parallel()
				crashJournal(t, newRand(t), keyed, taken)
			})
		}
	}
}

func crashJournal(t *testing.T, rng *rand.Rand, keyed, taken bool) {
	shared := memstore.New(nil)
	disk := vfs.NewMem()
	a, b := newJournaled(t, shared, "a", disk, never), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", keyed, schema.DuplicateReplace)
	want := warm(t, a.db, table)
	rounds := 3
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		add := func(what string, n int64) {
			for i := range n {
				r := row{fmt.Sprint(what, round, " ", i), i * hour / 3, i}
				insert(t, a.db, table, r)
				want[r]++
			}
		}
		add("in chunks", 8)
		checkpoint(t, a.db)
		if round != 1 { // where the log that was forwarded to has been trimmed
			add("forwarded", 8)
		}
		sameRows(t, "node b before the crash", b.latest(table), want)
		seen := mustRead(t, b.db, table)
		add("only in the journal", 20)
		disk = a.crash(rng)
		if n := waiting(t, disk); n < 20 {
			t.Fatalf("%d entries are in the journal, want 20 at least", n)
		}
		await(t, "node b notices", func() bool {
			_, err := b.tryLatest(table)
			if err != nil && (codeOf(err) != pgerr.ObjectNotInState || !strings.Contains(err.Error(), "node a is not running")) {
				t.Fatalf("read of the latest: %v", err)
			}
			return err != nil
		})
		sameRows(t, "node b without node a", mustRead(t, b.db, table), seen)
		if keyed {
			tx := begin(t, b.db, engine.TxnOptions{})
			_, _, err := tx.Lookup(context.Background(), table, keyBatch(row{"x", 1, 1}))
			if codeOf(err) != pgerr.ObjectNotInState {
				t.Errorf("ON CONFLICT beside a journal that nobody reads: %v", err)
			}
			tx.Rollback()
		}
		if taken {
			await(t, "node b has all that was forwarded", func() bool {
				checkpoint(t, b.db)
				logs, err := sourceLogs(shared)
				return err == nil && len(logs) <= 1
			})
		}
		a = newJournaled(t, shared, "a", disk, never)
		sameRows(t, "node a again", mustRead(t, a.db, table), want)
		sameRows(t, "node b again", b.latest(table), want)
	}
	a.close()
	b.close()
	c := newNode(t, shared, "c", quiet)
	sameRows(t, "a node that starts", c.latest(table), want)
	c.close()
}

// TestJournalZombie has another node take over the source log of a node that stands
// still: it goes on, and what was in its journal and in its log is there once.
func TestJournalZombie(t *testing.T) {
	t.Parallel()
	for _, dropped := range []bool{false, true} {
		t.Run(fmt.Sprintf("dropped=%v", dropped), func(t *testing.T) {
			t.Parallel()
			shared := memstore.New(nil)
			a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, "events", false, 0)
			want := warm(t, a.db, table)
			for round := range int64(2) {
				add := func(what string) {
					for i := range int64(10) {
						r := row{fmt.Sprint(what, round, i), i, i}
						insert(t, a.db, table, r)
						want[r]++
					}
				}
				add("forwarded")
				sameRows(t, "node b", b.latest(table), want)
				add("not forwarded")
				resume := a.pause()
				log := a.db.SourceLog()
				await(t, "node b takes over", func() bool {
					owners, err := shared.Registers(context.Background(), "owners/phyllo")
					logs, err2 := sourceLogs(shared)
					return err == nil && owners[log.Key] != nil || err2 == nil && !slices.Contains(logs, log)
				})
				if dropped {
					await(t, "the log is dropped", func() bool {
						checkpoint(t, b.db)
						logs, err := sourceLogs(shared)
						return err == nil && len(logs) == 1
					})
				}
				resume()
				await(t, "node a goes on", func() bool {
					got, err := a.tryLatest(table)
					return err == nil && len(got) == len(want)
				})
				add("again")
				sameRows(t, "node a", mustRead(t, a.db, table), want)
				await(t, "node b is told", func() bool { _, err := b.tryLatest(table); return err == nil })
				sameRows(t, "node b", b.latest(table), want)
				checkpoint(t, a.db)
				sameRows(t, "node b", b.latest(table), want)
			}
			a.close()
			b.close()
		})
	}
}

// TestJournalAnswerLost has the answer to a forwarding get lost, and the node be cut
// off until another one has taken over its log: what it had forwarded is there once.
func TestJournalAnswerLost(t *testing.T) {
	t.Parallel()
	for _, dropped := range []bool{false, true} {
		t.Run(fmt.Sprintf("dropped=%v", dropped), func(t *testing.T) {
			t.Parallel()
			shared := memstore.New(nil)
			a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
			table := createTable(t, a.db, "events", true, schema.DuplicateReplace)
			want := warm(t, a.db, table)
			sameRows(t, "node b", b.latest(table), want)
			for i := range int64(10) {
				r := row{fmt.Sprint("forwarded", i), i, i}
				insert(t, a.db, table, r)
				want[r]++
			}
			log := a.db.SourceLog()
			var appends atomic.Int64
			cut := func(c memstore.Call) memstore.Verdict {
				if c.Op == memstore.OpAppend && c.Log == log && appends.Add(1) == 1 {
					return memstore.Verdict{Outcome: memstore.Lose}
				}
				return memstore.Verdict{Outcome: memstore.Fail}
			}
			a.fate.Store(&cut)
			if err := a.db.Checkpoint(context.Background()); err == nil {
				t.Error("a checkpoint without the cluster")
			}
			tookOver(t, shared)
			if dropped {
				await(t, "the log is dropped", func() bool {
					checkpoint(t, b.db)
					logs, err := sourceLogs(shared)
					return err == nil && len(logs) == 1
				})
			}
			a.fate.Store(nil)
			await(t, "node a goes on", func() bool { _, err := a.tryLatest(table); return err == nil })
			r := row{"again", 1, 1}
			await(t, "node a commits", func() bool {
				tx := begin(t, a.db, engine.TxnOptions{})
				defer tx.Rollback()
				_, _, err := tx.Insert(context.Background(), table, batchOf(r), chunk.InsertDefault)
				return err == nil && tx.Commit(context.Background()) == nil
			})
			want[r] = 1
			for _, n := range []*node{a.node, b} {
				await(t, "node "+n.name+" reads", func() bool { _, err := n.tryLatest(table); return err == nil })
				sameRows(t, "node "+n.name, n.latest(table), want)
				if n := rowsOfTable(t, n.db, table); n != int64(len(want)) {
					t.Errorf("%d rows with those that others replace, want %d", n, len(want))
				}
			}
			a.close()
			b.close()
		})
	}
}

// rowsOfTable counts rows, with those that newer ones replace.
func rowsOfTable(t testing.TB, db *engine.DB, table datum.OID) int64 {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	return tx.TableRows(table)
}

// TestJournalUnique loses the disk of a node: the keys that it had taken stay taken,
// and nobody waits for it.
func TestJournalUnique(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "items", true, schema.DuplicateError)
	events := createTable(t, a.db, "events", false, 0)
	want := warm(t, a.db, table)
	warm(t, a.db, events)
	insert(t, a.db, events, row{"journal", 1, 1})
	insert(t, a.db, table, row{"taken", 1, 1}) // overtakes nothing
	want[row{"taken", 1, 1}]++
	if got := mustRead(t, b.db, events); got[row{"journal", 1, 1}] != 1 {
		time.Sleep(50 * time.Millisecond)
		sameRows(t, "node b sees a later commit, and not one before", mustRead(t, b.db, table), want)
		if got := mustRead(t, b.db, events); got[row{"journal", 1, 1}] != 1 {
			t.Errorf("node b sees a commit of node a and not the one before it")
		}
	}
	a.kill()
	a.journal.Close()
	var err error
	await(t, "the key is known to be taken", func() bool {
		tx := begin(t, b.db, engine.TxnOptions{})
		defer tx.Rollback()
		_, _, err = tx.Insert(context.Background(), table, batchOf(row{"taken", 1, 2}), chunk.InsertDefault)
		return codeOf(err) == pgerr.UniqueViolation
	})
	insert(t, b.db, table, row{"free", 1, 2})
	want[row{"free", 1, 2}]++
	sameRows(t, "node b", mustRead(t, b.db, table), want)
	b.close()
}

// TestJournalClaims has nodes add to a counter by turns that plain inserts set, in a
// table whose rows replace each other: each sees what was in the journal of another.
func TestJournalClaims(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	shared := memstore.New(nil)
	disks := []*vfs.Mem{vfs.NewMem(), vfs.NewMem()}
	a, b := newJournaled(t, shared, "a", disks[0], never), newJournaled(t, shared, "b", disks[1], never)
	c := newNode(t, shared, "c", quiet)
	table := createTable(t, c.db, "counters", true, schema.DuplicateReplace)
	k := row{"k", 1, 0}
	insert(t, a.db, table, k)
	set := func(n *node) {
		k.v = rng.Int64N(1000)
		insert(t, n.db, table, k)
	}
	add := func(n *node) error {
		tx := begin(t, n.db, engine.TxnOptions{})
		defer tx.Rollback()
		old, at, err := tx.Lookup(context.Background(), table, keyBatch(k))
		if err != nil {
			return err
		}
		if at[0] < 0 || old.Column(2).(*array.Int64).Value(int(at[0])) != k.v {
			t.Fatalf("node %s looks up %v, want %v", n.name, old, k)
		}
		k.v++
		if _, _, err := tx.Insert(context.Background(), table, batchOf(k), chunk.InsertReplace); err != nil {
			return err
		}
		return tx.Commit(context.Background())
	}
	rounds := 12
	for i := range rounds {
		nodes := []*node{a.node, b.node, c}
		set(nodes[rng.IntN(3)])
		set(nodes[rng.IntN(3)])
		for range rng.IntN(3) {
			if err := add(nodes[rng.IntN(3)]); err != nil {
				t.Fatal(err)
			}
		}
		if i == rounds/2 {
			if err := add(c); err != nil { // so that node a shares the claim, and has it not for itself
				t.Fatal(err)
			}
			set(a.node)
			disks[0] = a.crash(rng)
			await(t, "node c is told which node it has to wait for", func() bool {
				err := add(c)
				if err == nil {
					t.Fatal("a counter was changed beside a journal that nobody reads")
				}
				return codeOf(err) == pgerr.ObjectNotInState && strings.Contains(err.Error(), "node a")
			})
			a = newJournaled(t, shared, "a", disks[0], never)
			if err := add(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, n := range []*node{a.node, b.node, c} {
		sameRows(t, "node "+n.name, n.latest(table), counts(k))
	}
	a.close()
	b.close()
	c.close()
}

// TestJournalRefused starts a node without its journal, and with that of another
// one; what is lost is given up by who says so.
func TestJournalRefused(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	shared := memstore.New(nil)
	a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := warm(t, a.db, table)
	sameRows(t, "node b", b.latest(table), want)
	insert(t, a.db, table, row{"only there", 1, 1})
	if err := engine.ForgetJournal(context.Background(), shared, "phyllo", "a"); codeOf(err) != pgerr.ObjectInUse {
		t.Errorf("giving up a node that runs: %v", err)
	}
	disk := a.crash(rng)
	refused := func(what, name string, disk *vfs.Mem) {
		t.Helper()
		for _, commit := range []bool{false, true} {
			if _, err := tryJournaled(t, shared, name, disk, commit, never); codeOf(err) != pgerr.ObjectNotInState {
				t.Errorf("%s, commits to the journal %v: %v", what, commit, err)
			}
		}
	}
	refused("without its journal", "a", vfs.NewMem())
	refused("with that of another node", "c", disk)
	other := disk.Kill()
	if _, err := tryJournaled(t, memstore.New(nil), "a", other, true, never); codeOf(err) != pgerr.ObjectNotInState {
		t.Errorf("with that of another cluster: %v", err)
	}
	await(t, "the lease runs out", func() bool {
		return engine.ForgetJournal(context.Background(), shared, "phyllo", "a") == nil
	})
	if err := engine.ForgetJournal(context.Background(), shared, "phyllo", "a"); codeOf(err) != pgerr.UndefinedObject {
		t.Errorf("giving up twice: %v", err)
	}
	await(t, "node b hears of it", func() bool { _, err := b.tryLatest(table); return err == nil })
	sameRows(t, "node b", b.latest(table), want)
	a = newJournaled(t, shared, "a", vfs.NewMem(), never)
	r := row{"anew", 1, 1}
	insert(t, a.db, table, r)
	want[r]++
	sameRows(t, "node b", b.latest(table), want)
	a.close()
	b.close()
}

// TestJournalSwitch restarts a node with its commits durable here and there.
func TestJournalSwitch(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	shared := memstore.New(nil)
	b := newNode(t, shared, "b", quiet)
	table := createTable(t, b.db, "events", true, schema.DuplicateReplace)
	want := map[row]int{}
	disk := vfs.NewMem()
	for i := range int64(8) {
		a, err := tryJournaled(t, shared, "a", disk, i%2 == 0, never)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "after the restart", mustRead(t, a.db, table), want)
		sameRows(t, "node b after the restart", b.latest(table), want)
		for k := range int64(12) {
			r := row{fmt.Sprint("k", k), k * hour, i}
			insert(t, a.db, table, r)
			delete(want, row{r.k, r.ts, i - 1})
			want[r]++
		}
		if i%4 < 2 {
			disk = a.crash(rng)
		} else {
			a.close()
			disk = disk.Kill()
		}
	}
	b.close()
}

// TestJournalDiskFails has writes of the journal fail: of what failed nothing is
// there after a restart, and all that was acknowledged.
func TestJournalDiskFails(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	shared := memstore.New(nil)
	disk := vfs.NewMem()
	var table datum.OID
	want, open := map[row]int{}, map[row]int{}
	for round := range 6 {
		failing := vfs.NewFault(disk, nil)
		a, err := tryJournaled(t, shared, "a", failing, true, never)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			table = createTable(t, a.db, "events", false, 0)
			want = warm(t, a.db, table)
		}
		got := mustRead(t, a.db, table)
		for r := range open {
			if got[r] == 1 {
				want[r] = 1
			}
			delete(open, r)
		}
		sameRows(t, "after the restart", got, want)
		errDisk := errors.New("the disk fails")
		own := rand.New(rand.NewPCG(rng.Uint64(), 1)) // of the store's goroutines
		var mu sync.Mutex                             // guards own
		failing.Set(func(c vfs.Call) vfs.Fate {
			mu.Lock()
			defer mu.Unlock()
			if c.Op.Changes() && own.IntN(8) == 0 {
				return vfs.Fate{Err: errDisk, Applied: own.IntN(2) == 0, Keep: own.IntN(c.Size + 1), Lose: own.IntN(2) == 0}
			}
			return vfs.Fate{}
		})
		failures := 0
		for i := range int64(60) {
			r := row{fmt.Sprint(round, " ", i), i * hour / 7, i}
			tx := begin(t, a.db, engine.TxnOptions{})
			if _, _, err := tx.Insert(context.Background(), table, batchOf(r), chunk.InsertDefault); err != nil {
				t.Fatal(err)
			}
			err := tx.Commit(context.Background())
			switch {
			case err == nil:
				want[r]++
			case codeOf(err) == pgerr.OutcomeUnknown:
				open[r]++
				failures++
			default:
				failures++
			}
		}
		t.Logf("%d failures, %d of them of unknown outcome", failures, len(open))
		failing.Set(nil)
		disk = disk.Crash(vfs.CrashDrop, rng.Uint64())
		a.kill()
		a.journal.Close()
	}
}

// TestJournalGivenUpMeanwhile has somebody give up the journal of a node that stands
// still, and the node go on: it acknowledges nothing that nobody would look for.
func TestJournalGivenUpMeanwhile(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := warm(t, a.db, table)
	sameRows(t, "node b", b.latest(table), want)
	resume := a.pause()
	await(t, "the lease runs out", func() bool {
		return engine.ForgetJournal(context.Background(), shared, "phyllo", "a") == nil
	})
	resume()
	for i := int64(0); ; i++ { // what goes past the journal is not lost
		r := row{fmt.Sprint("late ", i), 1, i}
		err := tryInsert(context.Background(), a.node, table, r)
		if codeOf(err) == pgerr.ObjectNotInState {
			break
		}
		if err == nil {
			want[r]++
		} else if c := codeOf(err); c != pgerr.SerializationFailure && c != pgerr.CannotConnectNow && c != pgerr.OutcomeUnknown {
			t.Fatal(err)
		}
	}
	a.kill()
	a.journal.Close()
	await(t, "node b has it all", func() bool { _, err := b.tryLatest(table); return err == nil })
	sameRows(t, "node b", b.latest(table), want)
	b.close()
}

// TestJournalReadsAfterRestart restarts a node with a journal, which reads on what others
// commit though it commits nothing itself.
func TestJournalReadsAfterRestart(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a, b := newJournaled(t, shared, "a", vfs.NewMem(), never), newNode(t, shared, "b", quiet)
	table := createTable(t, b.db, "events", false, 0)
	want := warm(t, a.db, table)
	insert(t, a.db, table, row{"warm1", hour, 100})
	want[row{"warm1", hour, 100}]++
	a = newJournaled(t, shared, "a", a.crash(newRand(t)), never)
	sameRows(t, "the node that restarted", a.latest(table), want)
	for i := range int64(3) {
		insert(t, b.db, table, row{"b", hour, i})
		want[row{"b", hour, i}]++
		sameRows(t, "the node that restarted", a.latest(table), want)
	}
	a.close()
	b.close()
}

// TestJournalUnderLoad has transactions go on committing to a journal faster than it is
// forwarded: one that goes past it is committed all the same.
func TestJournalUnderLoad(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	a := newJournaled(t, shared, "a", vfs.NewMem(), never)
	table := createTable(t, a.db, "events", false, 0)
	warm(t, a.db, table)
	slow := func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpAppend && c.Log.Kind == store.SourceLog {
			time.Sleep(20 * time.Millisecond)
		}
		return memstore.Verdict{}
	}
	a.fate.Store(&slow)
	var over atomic.Bool
	var wg sync.WaitGroup
	for w := range int64(2) {
		wg.Go(func() {
			for i := int64(0); !over.Load(); i++ {
				if err := tryInsert(context.Background(), a.node, table, row{"warm1", hour, 1000*w + i}); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	done := make(chan struct{})
	go func() {
		defer close(done)
		createTable(t, a.db, "other", false, 0)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("a definition waits for ever for what is in the journal")
	}
	over.Store(true)
	wg.Wait()
	<-done
	a.close()
}

// TestJournalDiskHangs has the disk of a node not answer, while a definition waits for what
// is on its way into the journal: what is in the cluster can be read.
func TestJournalDiskHangs(t *testing.T) {
	t.Parallel()
	shared := memstore.New(nil)
	var hangs atomic.Bool
	appending, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	disk := memstore.New(func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpAppend && hangs.Load() {
			once.Do(func() { close(appending) })
			<-goOn
		}
		return memstore.Verdict{}
	})
	opt := quiet
	opt.Cluster = fastCluster()
	opt.Cluster.Journal, opt.Cluster.CommitToJournal, opt.Cluster.Forward = disk, true, never
	a, b := newNode(t, shared, "a", opt), newNode(t, shared, "b", quiet)
	table := createTable(t, a.db, "events", false, 0)
	want := warm(t, a.db, table)
	insert(t, a.db, table, row{"warm1", hour, 100})
	want[row{"warm1", hour, 100}]++
	hangs.Store(true)
	first := make(chan error, 1)
	go func() { first <- tryInsert(context.Background(), a, table, row{"warm2", 2 * hour, 100}) }()
	<-appending
	second := make(chan struct{})
	go func() {
		defer close(second)
		createTable(t, a.db, "other", false, 0)
	}()
	await(t, "the journal is forwarded", func() bool { return mustRead(t, b.db, table)[row{"warm1", hour, 100}] == 1 })
	insert(t, b.db, table, row{"b", hour, 1})
	want[row{"b", hour, 1}]++
	got, err := a.tryLatest(table)
	if err != nil {
		t.Error(err)
	} else {
		sameRows(t, "the node whose disk hangs", got, want)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	<-second
	a.close()
	b.close()
}
