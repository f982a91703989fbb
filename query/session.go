package query

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/catalog"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/setting"
	"github.com/phyllodb/phyllo/query/storage"
)

// SessionOptions say who connects.
type SessionOptions struct {
	User, Database string
	Settings       map[string]string // of the start-up packet
	Client         Client
	RemoteAddr     string
	TLS            bool
	// Notified, if it is set, is called when notifications have come for the session, from any goroutine;
	// Session.Notifications has them.
	Notified func()
	// Terminate ends the connection (pg_terminate_backend); it may be called
	// from any goroutine.
	Terminate func()
}

// A Session runs one client's statements. It is used by one goroutine; only
// what cancels and what reports activity is called from others.
type Session struct {
	engine  *Engine
	opt     SessionOptions
	client  Client
	pid     int32
	secret  uint32
	started time.Time

	settings  *setting.Values
	env       *datum.Env         // made from settings; nil after a change
	typesOf   *schema.Catalog    // that env has the types of
	newLabels map[datum.OID]bool // of enums, which this transaction has added
	prepared  map[string]*Prepared
	portals   map[string]*Portal
	tempQuota *exec.TempQuota
	random    function.Random
	sequences sequences

	locks storage.Locks // beyond transactions
	txn   *definer
	block blockState
	modes
	txnStart   time.Time
	stmtStart  time.Time
	savepoints []savepoint
	temp       temporaries
	channels   channels
	// lockedTables says that the transaction has run LOCK TABLE.
	lockedTables bool
	locking      sync.Mutex  // guards what is done with locks
	database     datum.OID   // 0: the first one
	closed       []datum.OID // databases that nobody may connect to until the transaction ends; engine.mu guards it
	ran          bool        // the transaction has run a query
	wrote        bool        // the transaction has run a statement that writes rows
	// implicitBlock says that the statement is one of several in a simple query,
	// which is a transaction block for those that need or refuse one.
	implicitBlock bool
	creating      string // the schema whose elements CREATE SCHEMA is making

	mu        sync.Mutex // guards the fields below
	interrupt context.CancelCauseFunc
	state     string // as in pg_stat_activity
	query     string
	since     time.Time // of the state
	queryFrom time.Time
	app       string
}

// NewSession opens a session, or says why not.
func (e *Engine) NewSession(opt SessionOptions) (*Session, error) {
	database, err := e.findDatabase(opt.Database)
	if err != nil {
		return nil, err
	}
	s := &Session{engine: e, opt: opt, database: database, client: opt.Client, started: time.Now(), state: "idle", since: time.Now(),
		prepared: map[string]*Prepared{}, portals: map[string]*Portal{}, tempQuota: newSessionQuota(e.tempQuota), sequences: sequences{Sequences: e.opt.Storage}}
	initial := map[string]string{} // by names in lower case: the session's take the place of the server's however they are written
	for _, settings := range []map[string]string{e.opt.Settings, opt.Settings} {
		for k, v := range settings {
			initial[strings.ToLower(k)] = v
		}
	}
	initial["session_authorization"] = opt.User
	if opt.TLS {
		initial["ssl"] = "on"
	}
	if s.settings, err = setting.NewValues(initial, s.settingChanged); err != nil {
		return nil, err
	}
	s.app, _ = s.settings.Raw("application_name")
	if err := e.add(s); err != nil {
		return nil, err
	}
	if err := e.sameDatabase(s); err != nil {
		e.remove(s)
		return nil, err
	}
	s.locks = e.opt.Storage.NewLocks(s.pid)
	return s, nil
}

func (s *Session) settingChanged(name, value string) {
	s.client.ParameterStatus(name, value)
	if name == "application_name" {
		s.mu.Lock()
		s.app = value
		s.mu.Unlock()
	}
}

// Key returns what a cancel request must show.
func (s *Session) Key() (pid int32, secret uint32) { return s.pid, s.secret }

// ReportedSettings returns the parameters that clients are told of at the start.
func (s *Session) ReportedSettings() [][2]string { return s.settings.Reported() }

// Close rolls back what is open and forgets the session.
func (s *Session) Close() {
	s.closePortals(func(*Portal) bool { return true })
	if s.txn != nil {
		s.txn.Rollback()
		s.txn = nil
	}
	s.closeTemporaries()
	s.locks.UnlockAll()
	s.engine.hub.leave(s)
	s.engine.remove(s)
}

// cancel ends the statement that is being run, if any.
func (s *Session) cancel(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interrupt != nil {
		s.interrupt(cause)
	}
}

// reading is how statements read, by the session's settings.
func (s *Session) reading() reading.Options {
	o := reading.Options{Latest: s.settingText("phyllo.freshness") == "latest"}
	if level := s.settingText("phyllo.read_consistency"); level != "default" {
		o.Consistency = level
	}
	return o
}

// interruptible runs f so that cancel requests and statement_timeout end it.
// Errors that come of that say so instead of "context canceled". A panic of f is
// its error.
func (s *Session) interruptible(ctx context.Context, f func(context.Context) error) error {
	return s.cancellable(reading.With(ctx, s.reading()), func(ctx context.Context, interrupt context.CancelCauseFunc) error {
		if ms := s.intSetting("statement_timeout"); ms > 0 {
			t := time.AfterFunc(time.Duration(ms)*time.Millisecond, func() {
				interrupt(pgerr.New(pgerr.QueryCanceled, "canceling statement due to statement timeout"))
			})
			defer t.Stop()
		}
		return f(ctx)
	})
}

// cancellable is interruptible without a timeout; interrupt is what cancel requests call.
func (s *Session) cancellable(ctx context.Context, f func(ctx context.Context, interrupt context.CancelCauseFunc) error) (err error) {
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	s.mu.Lock()
	outer := s.interrupt
	s.interrupt = interrupt
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.interrupt = outer
		s.mu.Unlock()
	}()
	defer panics.Catch(&err)
	err = f(ctx, interrupt)
	if err != nil && ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// Env returns how values are read and written now. It is immutable.
func (s *Session) Env() *datum.Env {
	if s.env != nil {
		s.refreshTypes()
		return s.env
	}
	raw := func(name string) string { v, _ := s.settings.Raw(name); return v }
	env := &datum.Env{ZoneName: raw("TimeZone"), ExtraFloatDigits: int(s.intSetting("extra_float_digits")),
		ByteaEscape: raw("bytea_output") == "escape", Now: s.txnStart, StatementNow: s.stmtStart}
	if loc, _, err := setting.LoadZone(env.ZoneName); err == nil {
		env.Zone = loc
	}
	style, order, _ := strings.Cut(raw("DateStyle"), ", ")
	env.DateFormat = map[string]datum.DateFormat{"ISO": datum.ISO, "SQL": datum.SQLDates, "Postgres": datum.PostgresDates, "German": datum.German}[style]
	env.DateOrder = map[string]datum.DateOrder{"MDY": datum.MDY, "DMY": datum.DMY, "YMD": datum.YMD}[order]
	env.IntervalStyle = map[string]datum.IntervalFormat{"postgres": datum.PostgresIntervals, "postgres_verbose": datum.PostgresVerbose,
		"sql_standard": datum.SQLStandard, "iso_8601": datum.ISO8601}[raw("IntervalStyle")]
	s.env, s.typesOf = env, nil
	s.refreshTypes()
	return s.env
}

// refreshTypes gives the environment the types that the transaction sees now.
func (s *Session) refreshTypes() {
	if s.txn == nil || s.txn.Catalog() == s.typesOf {
		return
	}
	env := *s.env
	s.typesOf, env.Types = s.txn.Catalog(), nil
	if len(s.typesOf.Types)+len(s.typesOf.Tables)+len(s.typesOf.Views) > 0 { // relations have row types
		env.Types = function.NewTypes(&function.Context{Context: context.Background(), Session: s, System: s.engine.catalog, Catalog: s.typesOf},
			func(label datum.OID) bool { return s.newLabels[label] })
	}
	s.env = &env
}

// Output is what values are written with now: the settings and, for types such
// as regclass, the names of objects.
func (s *Session) Output() *function.Context {
	return s.functionContext(context.Background(), memory.DefaultAllocator)
}

// IdleTimeout says how long the client may now be silent, and the error that
// ends the session if it is for longer; zero means for ever.
func (s *Session) IdleTimeout() (time.Duration, *pgerr.Error) {
	name, err := "idle_session_timeout", pgerr.New(pgerr.IdleSessionTimeout, "terminating connection due to idle-session timeout")
	if s.block != noBlock {
		name, err = "idle_in_transaction_session_timeout",
			pgerr.New(pgerr.IdleInTransactionTimeout, "terminating connection due to idle-in-transaction timeout")
	}
	return time.Duration(s.intSetting(name)) * time.Millisecond, err
}

// Parameters gets the session ready to read the values of parameters, which are sent before
// the statement that they are for begins: names of objects and of users' types are those of a
// transaction.
func (s *Session) Parameters(ctx context.Context, types []datum.Type) error {
	if s.txn != nil || !slices.ContainsFunc(types, func(t datum.Type) bool { return t.OID.Class() != datum.NotUserClass || function.NamesObjects(t) }) {
		return nil
	}
	return s.startStatement(ctx)
}

// ParseText reads a parameter's text form.
func (s *Session) ParseText(t datum.Type, text string) (datum.Value, error) {
	return function.ParseText(s.functionContext(context.Background(), memory.DefaultAllocator), t, text)
}

func (s *Session) intSetting(name string) int64 {
	v, _ := s.settings.Raw(name)
	var n int64
	neg := strings.HasPrefix(v, "-")
	for _, ch := range strings.TrimPrefix(v, "-") {
		if ch < '0' || ch > '9' {
			return 0
		}
		n = n*10 + int64(ch-'0')
	}
	if neg {
		return -n
	}
	return n
}

func (s *Session) lockTimeout() time.Duration {
	return time.Duration(s.intSetting("lock_timeout")) * time.Millisecond
}

func (s *Session) functionContext(ctx context.Context, mem memory.Allocator) *function.Context {
	c := &function.Context{Context: ctx, Mem: mem, Env: s.Env(), Session: s, System: s.engine.catalog}
	if s.txn != nil {
		c.Catalog = s.txn.Catalog()
	}
	return c
}

// setState notes what the session does, for pg_stat_activity.
func (s *Session) setState(state, query string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.since = state, now
	if query != "" {
		s.query, s.queryFrom = query, now
	}
}

// source is the text that the client sent, of which the statement is a part.
func (s *Session) source() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.query
}

func (s *Session) backend() catalog.Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return catalog.Backend{PID: s.pid, User: s.opt.User, Database: s.opt.Database, Application: s.app, ClientAddr: s.opt.RemoteAddr,
		Started: s.started, QueryFrom: s.queryFrom, StateFrom: s.since, State: s.state, Query: s.query}
}
