package sqlwire

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/query"
)

// panicLog is a logger's handler that keeps what is said of panics.
type panicLog struct {
	mu   sync.Mutex
	said []string
}

func (p *panicLog) Enabled(context.Context, slog.Level) bool { return true }
func (p *panicLog) WithAttrs([]slog.Attr) slog.Handler       { return p }
func (p *panicLog) WithGroup(string) slog.Handler            { return p }
func (p *panicLog) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "panic") {
		var b strings.Builder
		r.Attrs(func(a slog.Attr) bool { b.WriteString(a.String() + "\n"); return true })
		p.mu.Lock()
		p.said = append(p.said, b.String())
		p.mu.Unlock()
	}
	return nil
}

func (p *panicLog) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.said, "\n")
	p.said = nil
	return s
}

// FuzzMessages sends bytes to a session: whatever they are, nothing panics and
// the session ends with its client.
func FuzzMessages(f *testing.F) {
	seed := func(messages ...pgproto3.FrontendMessage) {
		var b []byte
		for _, m := range messages {
			b, _ = m.Encode(b)
		}
		f.Add(b)
	}
	seed(&pgproto3.Query{String: "SELECT 1; BEGIN; SELECT 1/0; ROLLBACK"})
	seed(&pgproto3.Parse{Name: "s", Query: "SELECT $1::int, $2"}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
		&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{{0, 0, 0, 1}, nil}, ParameterFormatCodes: []int16{1, 0}, ResultFormatCodes: []int16{1}},
		&pgproto3.Execute{MaxRows: 1}, &pgproto3.Close{ObjectType: 'P'}, &pgproto3.Flush{}, &pgproto3.Sync{})
	seed(&pgproto3.Query{String: "COPY events FROM STDIN"}, data("1\ta\n"), &pgproto3.CopyDone{}, &pgproto3.Query{String: "COPY (SELECT 1) TO STDOUT"})
	seed(&pgproto3.Query{String: "COPY events FROM STDIN (FORMAT binary)"}, data(binaryHeader), &pgproto3.CopyFail{}, &pgproto3.Sync{})
	seed(&pgproto3.Query{String: "DECLARE c CURSOR WITH HOLD FOR SELECT 1; FETCH c; PREPARE p AS SELECT 1; EXECUTE p; SET TimeZone = 'UTC'"}, &pgproto3.FunctionCall{Function: 1})

	said := &panicLog{}
	log := slog.New(said)
	engine := query.NewEngine(query.Options{Storage: newMemory(), TempDir: f.TempDir(), MemoryBytes: 16 << 20, Logger: log})
	server := NewServer(Options{Engine: engine, MaxMessageBytes: 1 << 20, Logger: log})
	hello := packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "statement_timeout", "200"))
	f.Fuzz(func(t *testing.T, input []byte) {
		ours, theirs := net.Pipe()
		ours.SetDeadline(time.Now().Add(patience))
		server.start(theirs)
		go func() {
			ours.Write(hello)
			ours.Write(input)
			bye, _ := (&pgproto3.Terminate{}).Encode(nil)
			ours.Write(bye)
			time.AfterFunc(100*time.Millisecond, func() { ours.Close() }) // it may wait for the rest of a message
		}()
		io.Copy(io.Discard, ours)
		server.wg.Wait()
		if s := said.take(); s != "" {
			t.Errorf("%q:\n%s", input, s)
		}
	})
}
