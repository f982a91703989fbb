package query

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/recycle"
	"github.com/phyllodb/phyllo/query/catalog"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/storage"
)

// Options configure an Engine; the zero value of each field means its default.
type Options struct {
	Storage storage.Storage // required
	// Database is the name of the one database. Default "phyllo".
	Database string
	// Node names this server among those that share the storage; empty if it is alone.
	Node string
	// Workers is how many goroutines a query may use. Default: one a processor.
	Workers int
	// MemoryBytes bounds what all queries hold together. Default 256 MiB.
	MemoryBytes int64
	// TempDir is where sorts and joins spill; empty: the system's.
	TempDir string
	// TempBytes bounds the temporary files of all queries together. Default: no bound.
	TempBytes int64
	// MaxRowBytes bounds one row of COPY data. Default 32 MiB.
	MaxRowBytes int
	// Settings are server-wide values of session parameters.
	Settings map[string]string
	Logger   *slog.Logger
}

// An Engine opens sessions over a storage. It is safe for concurrent use.
type Engine struct {
	opt       Options
	registry  *function.Registry
	catalog   *catalog.Set
	budget    *exec.Budget
	pool      *recycle.Pool // of the buffers of batches
	temp      exec.TempFiles
	turns     *exec.Turns
	tempQuota *exec.TempQuota
	started   time.Time
	hub       *hub

	mu       sync.Mutex // guards the fields below
	sessions map[int32]*Session
	closed   map[datum.OID]int // databases that nobody may connect to, by how many say so
	nextPID  int32
}

// maxPooled bounds the buffers that wait to be used again.
const maxPooled = 32 << 20

// NewEngine returns an engine without sessions.
func NewEngine(opt Options) *Engine {
	if opt.Database == "" {
		opt.Database = "phyllo"
	}
	if opt.Workers == 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.MemoryBytes == 0 {
		opt.MemoryBytes = 256 << 20
	}
	if opt.MaxRowBytes == 0 {
		opt.MaxRowBytes = 32 << 20
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{opt: opt, registry: function.Builtins(), budget: exec.NewBudget("server", opt.MemoryBytes, nil).SetBy("memory.queries_mib"), pool: recycle.New(maxPooled),
		temp: exec.TempDir(opt.TempDir), turns: exec.NewTurns(runtime.GOMAXPROCS(0)), tempQuota: newServerQuota(opt.TempBytes), started: time.Now(), hub: newHub(), sessions: map[int32]*Session{}, closed: map[datum.OID]int{}}
	e.catalog = catalog.New(e.registry)
	return e
}

// add registers a session under a new process ID and secret.
func (e *Engine) add(s *Session) error {
	var secret [4]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	s.secret = binary.BigEndian.Uint32(secret[:])
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.database != 0 && e.closed[s.database] > 0 {
		return pgerr.New(pgerr.CannotConnectNow, "database %q is being dropped or renamed", s.opt.Database)
	}
	for {
		e.nextPID++
		if e.nextPID <= 0 {
			e.nextPID = 1
		}
		if _, taken := e.sessions[e.nextPID]; !taken {
			break
		}
	}
	s.pid = e.nextPID
	e.sessions[s.pid] = s
	return nil
}

func (e *Engine) remove(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.pid)
}

// Cancel carries out a cancel request of the wire protocol: it ends the
// statement that the session runs, if the secret is right.
func (e *Engine) Cancel(pid int32, secret uint32) {
	e.mu.Lock()
	s := e.sessions[pid]
	e.mu.Unlock()
	if s != nil && s.secret == secret {
		s.cancel(errUserCancel)
	}
}

var errUserCancel = pgerr.New(pgerr.QueryCanceled, "canceling statement due to user request")

// signal is pg_cancel_backend and pg_terminate_backend.
func (e *Engine) signal(pid int32, terminate bool) bool {
	e.mu.Lock()
	s := e.sessions[pid]
	e.mu.Unlock()
	if s == nil {
		return false
	}
	if terminate && s.opt.Terminate != nil {
		s.opt.Terminate()
	} else {
		s.cancel(errUserCancel)
	}
	return true
}

// backends returns the sessions for pg_stat_activity.
func (e *Engine) backends() []catalog.Backend {
	e.mu.Lock()
	sessions := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		sessions = append(sessions, s)
	}
	e.mu.Unlock()
	out := make([]catalog.Backend, len(sessions))
	for i, s := range sessions {
		out[i] = s.backend()
	}
	return out
}
