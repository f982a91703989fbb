package hostiletest

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/tools/testprocess"
)

var program string

func TestMain(m *testing.M) { os.Exit(testprocess.Main(m, &program)) }

const (
	// patience is for how long an attack may go on before it is cancelled.
	patience = 300 * time.Millisecond
	// promptly is how soon a cancelled statement ends, in time that the server had a processor
	// for: the machine may be busy with other tests. The kernel counts in steps as long.
	promptly = 10 * time.Millisecond
	// aCall is how long it may take to make or copy one value of up to 128 MiB, which nothing
	// interrupts, beside the garbage of the attacks before.
	aCall = 750 * time.Millisecond
	// memory bounds the server's process.
	memory = 1024 // MiB
)

// TestAttacks sends all attacks to one server, beside sessions that ask small questions
// and must be answered all the time.
func TestAttacks(t *testing.T) {
	p, err := testprocess.Start(testprocess.Options{Program: program, Args: []string{"--data", t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, p)
	for _, sql := range []string{"CREATE TABLE short (id int PRIMARY KEY, v text)", "INSERT INTO short SELECT g, 'v' || g FROM generate_series(1, 1000) AS g",
		"CREATE TABLE sink (id int, t text)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	n := startNeighbour(t, p)
	defer n.stop(t)
	late := 0
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			n.reset()
			code, overdue := strike(t, p, a)
			if code != cancelled && !slices.Contains(a.want, code) {
				t.Errorf("it ends with %s, not one of %q", code, a.want)
			}
			waited := n.longest()
			switch {
			case overdue > promptly+aCall:
				t.Errorf("it ends %v after it was cancelled", overdue)
			case overdue > promptly:
				late++
				t.Logf("%s ends %v after it was cancelled", a.name, overdue)
			}
			if waited > time.Second {
				t.Errorf("a small question beside it waits %v", waited)
			}
		})
		if !p.Alive() {
			t.Fatalf("the server has ended\n%s", p.Log())
		}
	}
	peak, err := p.PeakMiB()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d attacks, %d not cancelled within %v, peak memory %d MiB", len(attacks), late, promptly, peak)
	if peak > memory {
		t.Errorf("the server has taken %d MiB of memory", peak)
	}
}

func connect(t *testing.T, p *testprocess.Process) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// strike runs an attack in a session of its own, which must be of use afterwards. It returns
// the SQLSTATE, and how long after its cancellation it ended, as the server's processor time.
func strike(t *testing.T, p *testprocess.Process, a attack) (code string, overdue time.Duration) {
	t.Helper()
	conn := connect(t, p)
	defer conn.Close(context.Background())
	asked := make(chan [2]time.Duration, 1) // the time of day, and the server's
	start := time.Now()
	timer := time.AfterFunc(patience, func() {
		used, _ := p.CPU()
		at := [2]time.Duration{time.Since(start), used}
		if err := conn.PgConn().CancelRequest(context.Background()); err == nil {
			asked <- at
		}
	})
	err := drop(conn.PgConn().Exec(t.Context(), a.sql))
	ended := time.Since(start)
	used, uerr := p.CPU()
	if uerr != nil {
		t.Error(uerr)
	}
	if !timer.Stop() {
		select {
		case at := <-asked:
			overdue = min(ended-at[0], used-at[1])
		case <-time.After(10 * time.Second):
			t.Error("the cancel request was not taken")
		}
	}
	code = answers
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		code = pe.Code
	} else if err != nil {
		t.Fatalf("the connection ends: %v\n%s", err, p.Log())
	}
	var one int
	for try := 0; ; try++ { // a cancel request that came late ends the next statement
		if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err == nil {
			break
		} else if try == 2 {
			t.Fatalf("the session is of no use any more: %v", err)
		}
	}
	return code, overdue
}

// drop reads all rows and keeps none.
func drop(results *pgconn.MultiResultReader) error {
	for results.NextResult() {
		for r := results.ResultReader(); r.NextRow(); {
		}
	}
	return results.Close()
}

// A neighbour asks small questions all the time.
type neighbour struct {
	cancel context.CancelFunc
	done   chan struct{}
	waits  chan time.Duration
	all    []time.Duration
}

func startNeighbour(t *testing.T, p *testprocess.Process) *neighbour {
	t.Helper()
	conn := connect(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	n := &neighbour{cancel: cancel, done: make(chan struct{}), waits: make(chan time.Duration, 1<<16)}
	go func() { // ends with cancel
		defer close(n.done)
		for id := 0; ctx.Err() == nil; id = (id + 1) % 1000 {
			begin := time.Now()
			var v string
			if err := conn.QueryRow(context.Background(), "SELECT v FROM short WHERE id = $1", id+1).Scan(&v); err != nil {
				t.Errorf("a small question is answered with %v", err)
				return
			}
			select {
			case n.waits <- time.Since(begin):
			default:
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return n
}

// reset forgets what was measured.
func (n *neighbour) reset() { n.longest() }

// longest is the longest wait since the last call.
func (n *neighbour) longest() (longest time.Duration) {
	for {
		select {
		case d := <-n.waits:
			n.all = append(n.all, d)
			longest = max(longest, d)
		default:
			return longest
		}
	}
}

func (n *neighbour) stop(t *testing.T) {
	n.cancel()
	<-n.done
	n.longest()
	slices.Sort(n.all)
	if len(n.all) > 0 {
		t.Logf("%d small questions: half within %v, 99%% within %v, all within %v", len(n.all), n.all[len(n.all)/2], n.all[len(n.all)*99/100], n.all[len(n.all)-1])
	}
}
