package sqlwire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query"
	"github.com/phyllodb/phyllo/query/storage"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 20 * time.Second

// A memory is a storage with one table, events (n integer, s text), that counts
// the rows that are committed to it.
type memory struct {
	storage.Sequences // none
	catalog           *schema.Catalog

	// strikes names the calls that panic.
	strikes map[string]bool

	mu        sync.Mutex // guards the fields below
	inserted  int64
	committed int64
	rollbacks int
}

const eventsOID = schema.FirstUserOID

func newMemory() *memory {
	c := schema.NewCatalog("phyllo")
	c.Tables[eventsOID] = &schema.Table{OID: eventsOID, Namespace: schema.PublicOID, Name: "events", Owner: "tester", Columns: []schema.Column{
		{ID: 1, Name: "n", Type: datum.Of(datum.Int4), NotNull: true}, {ID: 2, Name: "s", Type: datum.Of(datum.Text)}}}
	return &memory{catalog: c}
}

// noLocks are the locks of sessions that lock nothing.
type noLocks struct{ storage.Locks }

func (noLocks) UnlockAll() {}

func (m *memory) NewLocks(int32) storage.Locks { return noLocks{} }
func (m *memory) LockList() []locking.Info     { return nil }
func (m *memory) Blocking(int32) []int32       { return nil }

func (m *memory) Begin(context.Context, storage.TxnOptions) (storage.Txn, error) {
	return &memoryTxn{store: m}, nil
}
func (m *memory) Checkpoint(context.Context) error    { return nil }
func (m *memory) TableSize(datum.OID) int64           { return 0 }
func (m *memory) Compactions() []chunk.CompactionInfo { return nil }
func (m *memory) PauseCompaction(bool)                {}
func (m *memory) CompactionPaused() bool              { return false }
func (m *memory) Vacuum(context.Context, datum.OID, bool) (chunk.VacuumInfo, error) {
	return chunk.VacuumInfo{}, nil
}

// strike panics if the call shall.
func (m *memory) strike(call string) {
	if m.strikes[call] {
		panic("struck " + call)
	}
}

func (m *memory) rows() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.committed
}

// A memoryTxn is a transaction over a memory; what the tests do not need is
// the nil interface's, which panics.
type memoryTxn struct {
	storage.Txn
	store *memory
	rows  int64
	done  bool
}

func (t *memoryTxn) LockRows(context.Context, datum.OID) error { return nil }

func (t *memoryTxn) LockReads(context.Context, []datum.OID) (bool, error) { return false, nil }

func (t *memoryTxn) SetLockTimeout(time.Duration) {}

func (t *memoryTxn) Snapshot(context.Context) error { t.store.strike("Snapshot"); return nil }
func (t *memoryTxn) Catalog() *schema.Catalog       { return t.store.catalog }
func (t *memoryTxn) Statement() storage.Reader      { return nil }
func (t *memoryTxn) Position() int64                { return 0 }
func (t *memoryTxn) TableRows(datum.OID) int64      { t.store.strike("TableRows"); return 0 }
func (t *memoryTxn) Backup(_ context.Context, out io.Writer) error {
	_, err := io.WriteString(out, "all")
	return err
}
func (t *memoryTxn) BackupChunks(_ context.Context, names []byte, out io.Writer) error {
	_, err := out.Write(names)
	return err
}
func (t *memoryTxn) Savepoint() int { return int(t.rows) }
func (t *memoryTxn) Release(int)    {}
func (t *memoryTxn) RollbackTo(_ context.Context, mark int) error {
	t.rows = int64(mark)
	return nil
}

func (t *memoryTxn) Insert(_ context.Context, _ datum.OID, batch arrow.RecordBatch, _ chunk.InsertMode) (int64, []int32, error) {
	t.store.strike("Insert")
	if batch.Column(0).NullN() > 0 {
		return 0, nil, pgerr.New(pgerr.NotNullViolation, "null value in column \"n\"")
	}
	t.rows += batch.NumRows()
	t.store.mu.Lock()
	t.store.inserted += batch.NumRows()
	t.store.mu.Unlock()
	return batch.NumRows(), nil, nil
}

func (t *memoryTxn) Commit(context.Context) error {
	t.store.strike("Commit")
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.store.committed += t.rows
	t.done = true
	return nil
}

func (t *memoryTxn) Rollback() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if !t.done && t.rows > 0 {
		t.store.rollbacks++
	}
	t.done = true
}

// A fixture is a running server.
type fixture struct {
	store  *memory
	server *Server
	addr   string
}

// serve starts a server that is shut down when the test ends.
func serve(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	store := newMemory()
	opt := Options{Engine: query.NewEngine(query.Options{Storage: store, TempDir: t.TempDir()})}
	if change != nil {
		change(&opt)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(opt)
	served := make(chan struct{})
	go func() { defer close(served); s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // tests that want to drain do so themselves
		l.Close()
		s.Shutdown(ctx)
		<-served
	})
	return &fixture{store, s, l.Addr().String()}
}

// A client is a connection that speaks messages.
type client struct {
	t    testing.TB
	net  net.Conn
	f    *pgproto3.Frontend
	key  *pgproto3.BackendKeyData
	seen []string // answers since the last send
}

func (fx *fixture) dial(t testing.TB) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", fx.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// connect starts a session.
func (fx *fixture) connect(t testing.TB) *client {
	t.Helper()
	c := over(t, fx.dial(t))
	c.startup(map[string]string{"user": "tester", "database": "phyllo"})
	c.untilReady()
	c.seen = nil
	return c
}

func over(t testing.TB, nc net.Conn) *client {
	return &client{t: t, net: nc, f: pgproto3.NewFrontend(bufio.NewReader(nc), nc)}
}

func (c *client) startup(params map[string]string) {
	c.t.Helper()
	c.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: params})
}

func (c *client) send(messages ...pgproto3.FrontendMessage) {
	c.t.Helper()
	c.seen = nil
	for _, m := range messages {
		c.f.Send(m)
	}
	if err := c.f.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// receive reads one message and notes it.
func (c *client) receive() (pgproto3.BackendMessage, error) {
	m, err := c.f.Receive()
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *pgproto3.ErrorResponse:
		c.seen = append(c.seen, fmt.Sprintf("%s %s", m.Severity, m.Code))
	case *pgproto3.CommandComplete:
		c.seen = append(c.seen, string(m.CommandTag))
	case *pgproto3.ReadyForQuery:
		c.seen = append(c.seen, "ready "+string(m.TxStatus))
	case *pgproto3.DataRow:
		for _, v := range m.Values {
			c.seen = append(c.seen, fmt.Sprintf("%q", v))
		}
	case *pgproto3.BackendKeyData:
		key := *m
		key.SecretKey = append([]byte(nil), m.SecretKey...)
		c.key = &key
		c.seen = append(c.seen, "BackendKeyData")
	default:
		c.seen = append(c.seen, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
	}
	return m, nil
}

// untilReady reads to the next ReadyForQuery and returns what was seen since the
// last send.
func (c *client) untilReady() string {
	c.t.Helper()
	for {
		m, err := c.receive()
		if err != nil {
			c.t.Fatalf("%v after %v", err, c.seen)
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			return strings.Join(c.seen, ", ")
		}
	}
}

// untilClosed reads until the server closes the connection and returns what it saw.
func (c *client) untilClosed() string {
	c.t.Helper()
	c.seen = nil
	for {
		if _, err := c.receive(); err != nil {
			if os.IsTimeout(err) {
				c.t.Fatalf("the server did not close the connection; seen: %v", c.seen)
			}
			return strings.Join(c.seen, ", ")
		}
	}
}

// query runs a simple query.
func (c *client) query(sql string) string {
	c.t.Helper()
	c.send(&pgproto3.Query{String: sql})
	return c.untilReady()
}

// want fails the test if got is not what is wanted.
func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not so after %v", what, patience)
		}
		<-tick.C
	}
}
