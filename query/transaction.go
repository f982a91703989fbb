package query

import (
	"context"
	"maps"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/storage"
)

// blockState is where a session stands between BEGIN and COMMIT.
type blockState uint8

const (
	noBlock     blockState = iota // a transaction, if any, ends with the statement or Sync
	openBlock                     // after BEGIN
	failedBlock                   // after an error in a block: only ROLLBACK and its kin run
)

// modes are those of a transaction, as they were asked for.
type modes struct {
	level      string // of isolation
	readOnly   bool
	deferrable bool // which means something with SERIALIZABLE only
}

type savepoint struct {
	name     string
	mark     int // of the storage transaction
	settings int
	readOnly bool
	channels channelsMark
}

// TxStatus is the letter of ReadyForQuery.
func (s *Session) TxStatus() byte {
	switch s.block {
	case openBlock:
		return 'T'
	case failedBlock:
		return 'E'
	}
	return 'I'
}

// inBlock says whether a statement counts as inside of a transaction block.
func (s *Session) inBlock() bool { return s.block != noBlock || s.implicitBlock }

// ensureTxn makes sure that there is a transaction for a statement to run in.
func (s *Session) ensureTxn(ctx context.Context) error {
	if s.txn != nil {
		return nil
	}
	s.txnStart = time.Now()
	s.stmtStart, s.env = s.txnStart, nil
	s.modes = s.defaultModes()
	if err := checkIsolation(s.level); err != nil {
		return err
	}
	s.settings.Begin()
	return s.openTxn(ctx)
}

// defaultModes are those of a transaction that says nothing about them.
func (s *Session) defaultModes() modes {
	on := func(name string) bool { return s.settingText("default_transaction_"+name) == "on" }
	return modes{s.settingText("default_transaction_isolation"), on("read_only"), on("deferrable")}
}

func (s *Session) openTxn(ctx context.Context) error {
	txn, err := s.beginStorage(ctx)
	if err != nil {
		s.settings.End(false)
		return err
	}
	s.txn = txn
	return nil
}

// beginStorage begins a transaction of the storage. One that may only read may write into
// temporary tables all the same.
func (s *Session) beginStorage(ctx context.Context) (*definer, error) {
	txn, err := s.engine.opt.Storage.Begin(ctx, storage.TxnOptions{Isolation: isolation(s.level), ReadOnly: s.readOnly && s.temp.oid == 0, Locks: s.locks, Database: s.database})
	if err != nil {
		return nil, err
	}
	return &definer{Txn: txn}, nil
}

func (s *Session) settingText(name string) string { v, _ := s.settings.Raw(name); return v }

func isolation(level string) storage.Isolation {
	if level == "repeatable read" {
		return storage.RepeatableRead
	}
	return storage.ReadCommitted
}

func checkIsolation(level string) error {
	if level == "serializable" {
		return pgerr.Unsupported("isolation level SERIALIZABLE is not supported").WithHint("Use REPEATABLE READ.")
	}
	return nil
}

// commit ends the transaction; an error means that it was rolled back.
func (s *Session) commit(ctx context.Context) error {
	if s.txn == nil {
		s.block = noBlock
		return nil
	}
	err := s.holdCursors(ctx)
	if err == nil {
		err = s.temporariesAtCommit(ctx)
	}
	if err != nil {
		s.rollback()
		return err
	}
	s.closePortals(func(p *Portal) bool { return !p.held })
	if err = s.commitNotifying(ctx, s.commitTxn); err != nil {
		s.txn.Rollback()
	}
	s.endTxn(err == nil)
	return err
}

// commitTxn commits in the storage; a panic is an error as any other.
func (s *Session) commitTxn(ctx context.Context) (err error) {
	defer panics.Catch(&err)
	return s.txn.Commit(ctx)
}

func (s *Session) rollback() {
	s.closePortals(func(p *Portal) bool { return !p.held })
	if s.txn != nil {
		s.txn.Rollback()
	}
	s.endTxn(false)
}

func (s *Session) endTxn(committed bool) {
	if s.txn != nil {
		s.settings.End(committed)
	}
	if s.temp.made && !committed {
		s.temp = temporaries{}
	}
	s.temp.made = false
	s.channels.end()
	s.reopenDatabases()
	s.lockedTables = false
	s.txn, s.block, s.savepoints, s.env, s.ran, s.wrote = nil, noBlock, nil, nil, false, false
	s.typesOf, s.newLabels = nil, nil
}

// Fail notes that a statement failed and returns its error: a block waits for
// ROLLBACK, anything else is rolled back at once.
func (s *Session) Fail(err error) error {
	if s.block == noBlock {
		s.rollback()
		return err
	}
	s.block = failedBlock
	// Those from before the last savepoint can be used again after ROLLBACK TO it.
	s.closePortals(func(p *Portal) bool { return !p.held && p.depth >= len(s.savepoints) })
	s.letGo()
	return err
}

// letGo undoes at once what ROLLBACK, or ROLLBACK TO the last savepoint, will undo, so that others get
// what was locked: a client may take its time with either.
func (s *Session) letGo() {
	if s.txn == nil {
		return
	}
	if n := len(s.savepoints); n > 0 {
		// If it fails ROLLBACK TO does as well, and says so.
		_ = s.txn.RollbackTo(context.Background(), s.savepoints[n-1].mark)
		return
	}
	s.txn.Rollback()
}

// checkBlock refuses statements in a failed block.
func (s *Session) checkBlock(stmt ast.Stmt) error {
	if s.block != failedBlock {
		return nil
	}
	if t, ok := stmt.(*ast.Transaction); ok {
		switch t.Kind {
		case ast.Commit, ast.Rollback, ast.RollbackTo:
			return nil
		}
	}
	return errFailedBlock
}

var errFailedBlock = pgerr.New(pgerr.InFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")

// transaction runs a transaction command and returns its tag.
func (s *Session) transaction(ctx context.Context, t *ast.Transaction) (string, error) {
	switch t.Kind {
	case ast.Begin, ast.Start:
		return s.begin(ctx, t)
	case ast.Commit:
		return s.commitCommand(ctx, t)
	case ast.Rollback:
		return s.rollbackCommand(ctx, t)
	case ast.Savepoint:
		if s.block == noBlock {
			return "", noTransaction("SAVEPOINT")
		}
		s.savepoints = append(s.savepoints, savepoint{t.Name, s.txn.Savepoint(), s.settings.Mark(), s.readOnly, s.channels.mark()})
		return "SAVEPOINT", nil
	case ast.Release:
		i, err := s.findSavepoint("RELEASE SAVEPOINT", t.Name)
		if err != nil {
			return "", err
		}
		s.txn.Release(s.savepoints[i].mark)
		for _, p := range s.portals {
			p.depth = min(p.depth, i)
		}
		s.readOnly = s.savepoints[i].readOnly
		s.savepoints = s.savepoints[:i]
		return "RELEASE", nil
	case ast.RollbackTo:
		return s.rollbackTo(ctx, t.Name)
	}
	return "", pgerr.Unsupported("two-phase commit is not supported")
}

func noTransaction(command string) error {
	return pgerr.New(pgerr.NoActiveTransaction, "%s can only be used in transaction blocks", command)
}

func (s *Session) findSavepoint(command, name string) (int, error) {
	if s.block == noBlock {
		return 0, noTransaction(command)
	}
	for i := len(s.savepoints) - 1; i >= 0; i-- {
		if s.savepoints[i].name == name {
			return i, nil
		}
	}
	return 0, pgerr.New(pgerr.InvalidSavepoint, "savepoint %q does not exist", name)
}

func (s *Session) rollbackTo(ctx context.Context, name string) (string, error) {
	i, err := s.findSavepoint("ROLLBACK TO SAVEPOINT", name)
	if err != nil {
		return "", err
	}
	s.closePortals(func(p *Portal) bool { return !p.held && p.depth > i })
	if err := s.txn.RollbackTo(ctx, s.savepoints[i].mark); err != nil {
		return "", err
	}
	s.temporariesUndone()
	s.settings.RollbackTo(s.savepoints[i].settings)
	s.channels.rollbackTo(s.savepoints[i].channels)
	maps.DeleteFunc(s.newLabels, func(label datum.OID, _ bool) bool { return label >= s.txn.Catalog().NextOID })
	s.env = nil
	s.readOnly = s.savepoints[i].readOnly
	s.savepoints = s.savepoints[:i+1]
	s.block = openBlock
	return "ROLLBACK", nil
}

func (s *Session) begin(ctx context.Context, t *ast.Transaction) (string, error) {
	tag := "BEGIN"
	if t.Kind == ast.Start {
		tag = "START TRANSACTION"
	}
	if s.block == openBlock {
		s.warn(pgerr.ActiveTransaction, "there is already a transaction in progress")
		return tag, s.setModes(ctx, t.Modes)
	}
	s.block = openBlock
	if err := s.setModes(ctx, t.Modes); err != nil {
		s.block = noBlock
		return "", err
	}
	return tag, nil
}

// setModes applies transaction modes to the present transaction. Isolation
// and access mode are fixed when storage opens it, so it is opened anew; only a
// transaction that has done nothing yet may change its isolation.
func (s *Session) setModes(ctx context.Context, m ast.TransactionModes) error {
	if m.Snapshot != "" {
		return pgerr.Unsupported("SET TRANSACTION SNAPSHOT is not supported")
	}
	now := s.modes
	if m.Isolation != "" {
		if err := checkIsolation(m.Isolation); err != nil {
			return err
		}
		now.level = m.Isolation
	}
	if m.ReadOnly != nil {
		now.readOnly = *m.ReadOnly
	}
	if m.Deferrable != nil {
		now.deferrable = *m.Deferrable
	}
	if err := s.mayChange(now, m.Deferrable != nil); err != nil {
		return err
	}
	same := now.level == s.level && now.readOnly == s.readOnly
	if !same && s.lockedTables { // which the storage would lose
		return pgerr.Unsupported("SET TRANSACTION after LOCK TABLE is not supported").WithHint("Give the modes with BEGIN.")
	}
	s.modes = now
	if same || s.ran || len(s.savepoints) > 0 {
		return nil
	}
	s.txn.Rollback()
	txn, err := s.beginStorage(ctx)
	if err != nil {
		return err
	}
	s.txn = txn
	return nil
}

// mayChange refuses modes that the transaction cannot take on any more.
func (s *Session) mayChange(now modes, deferrable bool) error {
	inside, widens := len(s.savepoints) > 0, s.readOnly && !now.readOnly
	refused := ""
	switch {
	case s.ran && now.level != s.level:
		refused = "SET TRANSACTION ISOLATION LEVEL must be called before any query"
	case inside && now.level != s.level:
		refused = "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"
	case inside && widens:
		refused = "cannot set transaction read-write mode inside a read-only transaction"
	case s.ran && widens:
		refused = "transaction read-write mode must be set before any query"
	case inside && deferrable:
		refused = "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction"
	case s.ran && deferrable:
		refused = "SET TRANSACTION [NOT] DEFERRABLE must be called before any query"
	default:
		return nil
	}
	return pgerr.New(pgerr.ActiveTransaction, "%s", refused)
}

func (s *Session) commitCommand(ctx context.Context, t *ast.Transaction) (string, error) {
	next := s.chainModes()
	switch s.block {
	case failedBlock:
		s.rollback()
		return "ROLLBACK", s.chain(ctx, t, next)
	case noBlock:
		if t.Chain {
			return "", noTransaction("COMMIT AND CHAIN")
		}
		s.warn(pgerr.NoActiveTransaction, "there is no transaction in progress")
	}
	if err := s.commit(ctx); err != nil {
		return "", err
	}
	return "COMMIT", s.chain(ctx, t, next)
}

func (s *Session) rollbackCommand(ctx context.Context, t *ast.Transaction) (string, error) {
	next := s.chainModes()
	if s.block == noBlock {
		if t.Chain {
			return "", noTransaction("ROLLBACK AND CHAIN")
		}
		s.warn(pgerr.NoActiveTransaction, "there is no transaction in progress")
	}
	s.rollback()
	return "ROLLBACK", s.chain(ctx, t, next)
}

// chainModes are the modes of the next transaction of AND CHAIN: those of this
// one, but the defaults if it failed, as PostgreSQL does it.
func (s *Session) chainModes() modes {
	if s.block == failedBlock {
		return s.defaultModes()
	}
	return s.modes
}

// chain opens the next transaction with the same modes.
func (s *Session) chain(ctx context.Context, t *ast.Transaction, next modes) error {
	if !t.Chain {
		return nil
	}
	s.txnStart = time.Now()
	s.stmtStart, s.env = s.txnStart, nil
	s.modes, s.block = next, openBlock
	s.settings.Begin()
	return s.openTxn(ctx)
}

func (s *Session) warn(code, format string, args ...any) {
	n := pgerr.New(code, format, args...)
	n.Severity = "WARNING"
	s.notice(n)
}

func (s *Session) notify(format string, args ...any) {
	n := pgerr.New("00000", format, args...)
	n.Severity = "NOTICE"
	s.notice(n)
}

var severityRank = map[string]int{"debug5": 0, "debug4": 1, "debug3": 2, "debug2": 3, "debug1": 4, "log": 5, "notice": 6, "warning": 7, "error": 8}

func (s *Session) notice(n *pgerr.Error) {
	rank := 6
	if n.Severity == "WARNING" {
		rank = 7
	}
	if rank >= severityRank[s.settingText("client_min_messages")] {
		s.client.Notice(n)
	}
}
