package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

var stressTime = flag.Duration("stress", 0, "how long the stress of clusters runs; 0: some seconds")

// TestClusterStress has three nodes write and read while calls to the store fail,
// lose their answers or are done late, while nodes stand still for longer than
// their lease, and while they are killed, left and started again, and while it changes
// where rows are put. Each transaction is seen whole or not at all, once, and for good
// once it is acknowledged.
func TestClusterStress(t *testing.T) {
	s := newStress(t)
	s.tables = []datum.OID{
		createTable(t, s.nodes[0].db, "events", false, 0),
		createTable(t, s.nodes[1].db, "state", true, schema.DuplicateReplace),
	}
	for i := range s.nodes {
		s.start(i, s.writer, s.writer, s.reader)
	}
	s.start(2, s.placer(s.tables...))
	s.run()
	s.checkEnd()
}

// TestClusterJournalStress is TestClusterStress with two of the nodes committing to
// journals on their disks, which survive their ends, and where a commit is durable
// changing with the process.
func TestClusterJournalStress(t *testing.T) {
	s := newStress(t, "a", "b")
	s.tables = []datum.OID{
		createTable(t, s.nodes[0].db, "events", false, 0),
		createTable(t, s.nodes[1].db, "state", true, schema.DuplicateReplace),
	}
	for i := range s.nodes {
		s.start(i, s.writer, s.writer, s.reader)
	}
	s.start(2, s.placer(s.tables...))
	s.run()
	s.checkEnd()
}

// A stress is nodes on one store, with goroutines that use them and one that
// harms them.
type stress struct {
	t      *testing.T
	rng    *rand.Rand // of the main goroutine
	shared *memstore.Store
	opt    engine.Options
	nodes  []*stressNode
	tables []datum.OID

	stop    atomic.Bool
	quiet   atomic.Bool // nothing fails
	workers sync.WaitGroup
	last    atomic.Int64 // number of the last transaction
	reads   atomic.Int64
	whole   atomic.Int64 // reads that saw something
	placed  atomic.Int64 // changes of where rows are put

	mu     sync.Mutex // guards the fields below
	acked  map[int64]int
	open   map[int64]bool // outcome unknown
	failed map[int64]string
	errors map[string]int // of reads

	log tail
}

// A tail keeps the last lines that are written to it.
type tail struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) > 200 {
		l.lines = l.lines[100:]
	}
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *tail) show(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Failed() {
		t.Logf("what the nodes logged last:\n%s", strings.Join(l.lines, ""))
	}
}

// A stressNode is the node of one name, in its present process.
type stressNode struct {
	s    *stress
	name string
	i    int

	mu      sync.RWMutex // held for writing while the process is replaced
	node    *node
	db      *engine.DB
	disk    *vfs.Mem     // of its journal; nil if it has none
	journal *local.Store // on it

	rngMu sync.Mutex
	rng   *rand.Rand
	storm bool // much fails
}

// newStress starts the nodes, some of them with journals. It puts checkpoints of the
// catalogue close together.
func newStress(t *testing.T, journaled ...string) *stress {
	reset := engine.SetCheckpointChanges(3)
	t.Cleanup(reset)
	s := &stress{t: t, rng: newRand(t), shared: memstore.New(nil), acked: map[int64]int{}, open: map[int64]bool{}, failed: map[int64]string{}, errors: map[string]int{},
		opt: engine.Options{SealAge: 100 * time.Millisecond, BufferBytes: 1 << 20, CompactionInterval: 20 * time.Millisecond}}
	t.Cleanup(func() { s.log.show(t); s.describe() })
	s.quiet.Store(true)
	for i, name := range []string{"a", "b", "c"} {
		n := &stressNode{s: s, name: name, i: i, rng: s.fork()}
		if slices.Contains(journaled, name) {
			n.disk = vfs.NewMem()
		}
		s.nodes = append(s.nodes, n)
		if err := n.open(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// describe tells, of a test that failed, what the nodes wait for.
func (s *stress) describe() {
	if !s.t.Failed() {
		return
	}
	for _, scope := range []string{"nodes/phyllo", "owners/phyllo", "claims/phyllo"} {
		registers, err := s.shared.Registers(context.Background(), scope)
		s.t.Logf("%s: %q, %v", scope, registers, err)
	}
	logs, err := sourceLogs(s.shared)
	s.t.Logf("source logs: %v, %v", logs, err)
	stacks := make([]byte, 1<<20)
	s.t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
}

func (s *stress) fork() *rand.Rand { return rand.New(rand.NewPCG(s.rng.Uint64(), 1)) }

func (n *stressNode) open() error {
	nd := &node{t: n.s.t, name: n.name}
	nd.store = n.s.shared.Node(func(c memstore.Call) memstore.Verdict {
		if v := nd.hook(c); v.Outcome != memstore.Do {
			return v
		}
		return n.fate(c)
	})
	opt := n.s.opt
	opt.Writer, opt.Cluster, opt.Logger = n.name, fastCluster(), slog.New(slog.NewTextHandler(&n.s.log, nil)).With("node", n.name)
	if n.disk != nil {
		var err error
		if n.journal, err = openJournal(n.disk); err != nil {
			return err
		}
		opt.Cluster.Journal, opt.Cluster.CommitToJournal = n.journal, n.s.rng.IntN(4) > 0
		opt.Cluster.Forward = []time.Duration{10 * time.Millisecond, 200 * time.Millisecond, 3 * time.Second}[n.s.rng.IntN(3)]
	}
	db, err := engine.Open(context.Background(), nd.store, opt)
	if err != nil {
		nd.store.Close()
		if n.journal != nil {
			n.journal.Close()
		}
		return err
	}
	nd.db = db
	n.node, n.db = nd, db
	return nil
}

// close ends a node well.
func (n *stressNode) close() {
	n.node.close()
	if n.journal != nil {
		n.journal.Close()
	}
}

// fate makes calls fail now and then.
func (n *stressNode) fate(c memstore.Call) memstore.Verdict {
	if n.s.quiet.Load() {
		return memstore.Verdict{}
	}
	n.rngMu.Lock()
	defer n.rngMu.Unlock()
	p := n.rng.Float64()
	if n.storm {
		p /= 15
	}
	switch c.Op {
	case memstore.OpAppend, memstore.OpSwap, memstore.OpPutChunks, memstore.OpPutCheckpoint, memstore.OpTrim, memstore.OpDrop, memstore.OpDeleteCheckpoint:
		switch {
		case p < 0.01:
			return memstore.Verdict{Outcome: memstore.Fail}
		case p < 0.025:
			return memstore.Verdict{Outcome: memstore.Lose}
		case p < 0.04:
			return memstore.Verdict{Outcome: memstore.Delay}
		}
	case memstore.OpColumn: // of which a read has many
	default:
		if p < 0.002 {
			return memstore.Verdict{Outcome: memstore.Fail}
		}
	}
	return memstore.Verdict{}
}

// with calls f with the node's database, unless it is down.
func (n *stressNode) with(f func(db *engine.DB)) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.db == nil {
		return false
	}
	f(n.db)
	return true
}

// start has goroutines call each f again and again for node i.
func (s *stress) start(i int, fs ...func(n *stressNode, db *engine.DB, rng *rand.Rand)) {
	n := s.nodes[i]
	for _, f := range fs {
		rng := s.fork()
		s.workers.Go(func() {
			for !s.stop.Load() {
				if !n.with(func(db *engine.DB) { f(n, db, rng) }) {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}

// run harms nodes for a while; then all goes well, and goroutines end.
func (s *stress) run() {
	d := *stressTime
	switch {
	case d > 0:
	case testing.Short():
		d = 6 * time.Second
	default:
		d = 25 * time.Second
	}
	s.quiet.Store(false)
	for end := time.Now().Add(d); time.Now().Before(end) && !s.t.Failed(); {
		s.harm(s.nodes[s.rng.IntN(len(s.nodes))])
	}
	s.quiet.Store(true)
	for _, n := range s.nodes {
		n.node.store.Deliver()
	}
	time.Sleep(50 * time.Millisecond) // transactions that nothing keeps from going well
	s.stop.Store(true)
	s.workers.Wait()
}

// harm does one thing to a node.
func (s *stress) harm(n *stressNode) {
	switch s.rng.IntN(14) {
	case 0: // longer than a lease
		n.hold(time.Duration(2100+s.rng.IntN(1200)) * time.Millisecond)
	case 1:
		n.hold(time.Duration(s.rng.IntN(300)) * time.Millisecond)
	case 2:
		n.restart(true)
	case 3:
		n.restart(false)
	case 4, 5:
		n.with(func(db *engine.DB) { _ = db.Checkpoint(context.Background()) })
	case 6, 7:
		n.rage(time.Duration(200+s.rng.IntN(1000)) * time.Millisecond)
	case 8, 9, 10:
		n.node.store.Deliver()
	default:
		time.Sleep(time.Duration(s.rng.IntN(100)) * time.Millisecond)
	}
}

// rage lets much fail for a while.
func (n *stressNode) rage(d time.Duration) {
	set := func(on bool) {
		n.rngMu.Lock()
		defer n.rngMu.Unlock()
		n.storm = on
	}
	set(true)
	time.Sleep(d)
	set(false)
}

func (n *stressNode) hold(d time.Duration) {
	resume := n.node.pause()
	time.Sleep(d)
	if n.s.rng.IntN(2) == 0 {
		n.node.store.Deliver()
	}
	resume()
}

// restart ends a node, as if killed or well, and starts it again.
func (n *stressNode) restart(kill bool) {
	old := n.node
	if kill {
		old.dead.Store(true)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	disk := n.disk
	if kill && disk != nil {
		disk = disk.Crash(vfs.CrashModes[n.s.rng.IntN(len(vfs.CrashModes))], n.s.rng.Uint64())
	}
	old.db.Close()
	n.db = nil
	if n.disk != nil {
		n.journal.Close()
		n.disk = disk
	}
	if n.s.rng.IntN(2) == 0 {
		old.store.Deliver()
	}
	defer old.store.Close()
	if n.s.rng.IntN(2) == 0 {
		time.Sleep(time.Duration(n.s.rng.IntN(3000)) * time.Millisecond)
		old.store.Deliver()
	}
	for began := time.Now(); ; {
		err := n.open()
		if err == nil {
			return
		}
		passing := errors.Is(err, memstore.ErrInjected) || codeOf(err) == pgerr.ObjectInUse || codeOf(err) == pgerr.CannotConnectNow
		if took := time.Since(began); !passing || took > startLimit {
			n.s.t.Errorf("node %s does not start, after %v: %v", n.name, took, err)
			n.s.stop.Store(true)
			n.s.quiet.Store(true)
			if err := n.open(); err != nil {
				panic(err)
			}
			return
		}
	}
}

// startLimit is how long a node that starts may fail.
const startLimit = 30 * time.Second

// size is how many rows a transaction has in each table, and how wide they are.
func size(u int64) (rows, pad int) {
	if u%40 == 0 {
		return 600, 250 // more than stays in memory: staged
	}
	return 1 + int(u%5), 0
}

func rowsOf(u int64, table int) []row {
	k, pad := size(u)
	rows := make([]row, k)
	for i := range rows {
		rows[i] = row{fmt.Sprintf("%0*d-%d-%d", pad+6, u, i, table), (u*7 + int64(i)) % 5 * hour, u}
	}
	return rows
}

func (s *stress) writer(n *stressNode, db *engine.DB, rng *rand.Rand) {
	u := s.last.Add(1)
	s.settle(n, u, s.write(db, u))
	pause := 10
	if n.disk != nil {
		pause = 40 // for commits are faster
	}
	time.Sleep(time.Duration(rng.IntN(pause)) * time.Millisecond) // readers look at all of it
}

// settle notes what became of transaction u.
func (s *stress) settle(n *stressNode, u int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.acked[u] = n.i
	case codeOf(err) == pgerr.OutcomeUnknown:
		s.open[u] = true
	default:
		s.failed[u] = fmt.Sprintf("%s: %v", n.name, err)
	}
}

func (s *stress) write(db *engine.DB, u int64) error {
	ctx := context.Background()
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// A table's lock stays with a definition whose fate is not known, and a node that is to end waits for this.
	patient, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for i, table := range s.tables {
		if _, _, err := tx.Insert(patient, table, batchOf(rowsOf(u, i)...), chunk.InsertDefault); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// placer returns what changes where rows of tables to come are put, if that goes well.
func (s *stress) placer(tables ...datum.OID) func(*stressNode, *engine.DB, *rand.Rand) {
	return func(_ *stressNode, db *engine.DB, rng *rand.Rand) {
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		tx, err := db.Begin(ctx, engine.TxnOptions{})
		if err != nil {
			return
		}
		defer tx.Rollback()
		def := tx.Catalog().Tables[tables[rng.IntN(len(tables))]]
		if def == nil {
			return
		}
		next := *def
		next.Slice, next.Partitions = time.Duration(1+rng.IntN(4))*time.Hour, 1+rng.IntN(6)
		if err := tx.Apply(ctx, schema.Change{PutTable: &next}); err == nil && tx.Commit(ctx) == nil {
			s.placed.Add(1)
		}
	}
}

func (s *stress) reader(n *stressNode, db *engine.DB, rng *rand.Rand) {
	latest := rng.IntN(3) == 0
	must := s.ackedBy(n.i, latest)
	got, err := s.see(db, latest)
	s.reads.Add(1)
	if err != nil {
		s.mu.Lock()
		s.errors[err.Error()]++
		s.mu.Unlock()
		if codeOf(err) == pgerr.DataCorrupted {
			s.t.Errorf("node %s: %v", n.name, err)
			s.stop.Store(true)
		}
		return // the store failed
	}
	s.check(fmt.Sprintf("node %s, latest %v", n.name, latest), got, must)
	s.whole.Add(1)
	time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
}

// ackedBy returns what a node has acknowledged, or any.
func (s *stress) ackedBy(i int, any bool) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int64
	for u, by := range s.acked {
		if any || by == i {
			out = append(out, u)
		}
	}
	return out
}

// see reads the tables as of one moment.
func (s *stress) see(db *engine.DB, latest bool) ([]map[row]int, error) {
	return readAll(db, latest, s.tables)
}

func readAll(db *engine.DB, latest bool, tables []datum.OID) ([]map[row]int, error) {
	got, _, err := readAndDescribe(db, latest, tables)
	return got, err
}

// readAndDescribe returns what describes the snapshot as well.
func readAndDescribe(db *engine.DB, latest bool, tables []datum.OID) (out []map[row]int, snapshot func() string, err error) {
	ctx := reading.With(context.Background(), reading.Options{Latest: latest})
	tx, err := db.Begin(ctx, engine.TxnOptions{ReadOnly: true, RepeatableRead: true})
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback()
	for _, table := range tables {
		got, err := read(tx, table)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, got)
	}
	return out, tx.Describe(tables...), nil
}

// check checks what one reader saw.
func (s *stress) check(who string, got []map[row]int, must []int64) (seen map[int64]bool) {
	counts := []map[int64]int{{}, {}}
	var wrong []string
	for i, rows := range got {
		for r, n := range rows {
			counts[i][r.v]++
			if n != 1 {
				wrong = append(wrong, fmt.Sprintf("table %d: %.20s... of transaction %d is there %d times", i, strings.TrimLeft(r.k, "0"), r.v, n))
			}
		}
	}
	seen = map[int64]bool{}
	for _, c := range counts {
		for u := range c {
			seen[u] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := range seen {
		if want, _ := size(u); counts[0][u] != want || counts[1][u] != want {
			wrong = append(wrong, fmt.Sprintf("transaction %d: %d and %d rows, want %d: %s", u, counts[0][u], counts[1][u], want, s.fateOf(u)))
		}
		if why := s.failed[u]; why != "" {
			wrong = append(wrong, fmt.Sprintf("transaction %d is there and had failed: %s", u, why))
		}
	}
	for _, u := range must {
		if !seen[u] {
			wrong = append(wrong, fmt.Sprintf("transaction %d is not there: %s", u, s.fateOf(u)))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		s.t.Errorf("%s: %d faults\n%s", who, len(wrong), strings.Join(wrong[:min(len(wrong), 10)], "\n"))
		s.stop.Store(true)
	}
	return seen
}

func (s *stress) fateOf(u int64) string {
	if by, ok := s.acked[u]; ok {
		return "acknowledged by " + s.nodes[by].name
	}
	if s.open[u] {
		return "outcome unknown"
	}
	if why := s.failed[u]; why != "" {
		return "failed: " + why
	}
	return "under way"
}

// checkEnd compares all nodes with what is known, and with one that starts.
func (s *stress) checkEnd() {
	s.t.Helper()
	all := s.ackedBy(0, true)
	s.t.Logf("%d transactions acknowledged, %d unknown, %d failed; %d reads, %d of them failed; %d changes of where rows are put",
		len(all), len(s.open), len(s.failed), s.reads.Load(), s.reads.Load()-s.whole.Load(), s.placed.Load())
	for e, n := range s.errors {
		s.t.Logf("%d reads: %s", n, e)
	}
	var first map[int64]bool
	look := func(n *stressNode, when string) {
		who := fmt.Sprintf("%s, node %s", when, n.name)
		// Outcomes that are open are decided at the next commit at the latest.
		var got []map[row]int
		var err error
		await(s.t, who, func() bool {
			got, err = s.see(n.db, true)
			if codeOf(err) == pgerr.DataCorrupted {
				s.t.Fatalf("%s: %v", who, err)
			}
			return err == nil
		})
		seen := s.check(who, got, all)
		if first == nil {
			first = seen
		} else if !maps.Equal(seen, first) {
			s.t.Errorf("%s: sees %d transactions, another node saw %d", who, len(seen), len(first))
		}
	}
	for _, n := range s.nodes { // commits that were open are settled
		await(s.t, "node "+n.name+" commits", func() bool {
			u := s.last.Add(1)
			err := s.write(n.db, u)
			s.settle(n, u, err)
			if err != nil {
				fmt.Fprintf(&s.log, "commit at the end on node %s: %v\n", n.name, err)
			}
			return err == nil
		})
	}
	all = s.ackedBy(0, true)
	for _, n := range s.nodes {
		look(n, "at the end")
	}
	for _, n := range s.nodes {
		await(s.t, "node "+n.name+" flushes", func() bool { return n.db.Checkpoint(context.Background()) == nil })
		look(n, "flushed")
	}
	await(s.t, "logs of those that died are dropped", func() bool {
		logs, err := sourceLogs(s.shared)
		return err == nil && len(logs) <= len(s.nodes)
	})
	for _, n := range s.nodes {
		n := n
		await(s.t, "node "+n.name+" has nothing in memory", func() bool { return n.db.Buffered() == 0 })
		look(n, "after all was flushed")
	}
	for _, n := range s.nodes {
		n.close()
	}
	d := &stressNode{s: s, name: "d", rng: s.fork()}
	if err := d.open(); err != nil {
		s.t.Fatal(err)
	}
	look(d, "a node that starts")
	d.node.close()
}
