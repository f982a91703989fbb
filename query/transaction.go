package query

import (
	"context"
	"time"

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

type savepoint struct {
	name     string
	mark     int // of the storage transaction
	settings int
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
	s.level = s.settingText("default_transaction_isolation")
	s.readOnly = s.settingText("default_transaction_read_only") == "on"
	if err := checkIsolation(s.level); err != nil {
		return err
	}
	s.settings.Begin()
	return s.openTxn(ctx)
}

func (s *Session) openTxn(ctx context.Context) error {
	txn, err := s.engine.opt.Storage.Begin(ctx, isolation(s.level), s.readOnly)
	if err != nil {
		s.settings.End(false)
		return err
	}
	s.txn = txn
	return nil
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
	if err := s.holdCursors(ctx); err != nil {
		s.rollback()
		return err
	}
	s.closePortals(func(p *Portal) bool { return !p.held })
	err := s.txn.Commit(ctx)
	if err != nil {
		s.txn.Rollback()
	}
	s.endTxn(err == nil)
	return err
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
	s.txn, s.block, s.savepoints, s.env, s.ran = nil, noBlock, nil, nil, false
}

// Fail notes that a statement failed and returns its error: a block waits for
// ROLLBACK, anything else is rolled back at once.
func (s *Session) Fail(err error) error {
	if s.block == noBlock {
		s.rollback()
		return err
	}
	s.block = failedBlock
	s.closePortals(func(p *Portal) bool { return !p.held })
	return err
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
		s.savepoints = append(s.savepoints, savepoint{t.Name, s.txn.Savepoint(), s.settings.Mark()})
		return "SAVEPOINT", nil
	case ast.Release:
		i, err := s.findSavepoint("RELEASE SAVEPOINT", t.Name)
		if err != nil {
			return "", err
		}
		s.txn.Release(s.savepoints[i].mark)
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
	s.closePortals(func(p *Portal) bool { return !p.held })
	if err := s.txn.RollbackTo(ctx, s.savepoints[i].mark); err != nil {
		return "", err
	}
	s.settings.RollbackTo(s.savepoints[i].settings)
	s.env = nil
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
	level, readOnly := s.level, s.readOnly
	if m.Isolation != "" {
		if err := checkIsolation(m.Isolation); err != nil {
			return err
		}
		level = m.Isolation
	}
	if m.ReadOnly != nil {
		readOnly = *m.ReadOnly
	}
	if level == s.level && readOnly == s.readOnly {
		return nil
	}
	if s.ran {
		if level != s.level {
			return pgerr.New(pgerr.ActiveTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query")
		}
		if !readOnly {
			return pgerr.New(pgerr.ActiveTransaction, "transaction read-write mode must be set before any query")
		}
	}
	s.level, s.readOnly = level, readOnly
	if s.ran {
		return nil
	}
	s.txn.Rollback()
	txn, err := s.engine.opt.Storage.Begin(ctx, isolation(level), readOnly)
	if err != nil {
		return err
	}
	s.txn = txn
	return nil
}

func (s *Session) commitCommand(ctx context.Context, t *ast.Transaction) (string, error) {
	level, readOnly := s.chainModes()
	switch s.block {
	case failedBlock:
		s.rollback()
		return "ROLLBACK", s.chain(ctx, t, level, readOnly)
	case noBlock:
		if t.Chain {
			return "", noTransaction("COMMIT AND CHAIN")
		}
		s.warn(pgerr.NoActiveTransaction, "there is no transaction in progress")
	}
	if err := s.commit(ctx); err != nil {
		return "", err
	}
	return "COMMIT", s.chain(ctx, t, level, readOnly)
}

func (s *Session) rollbackCommand(ctx context.Context, t *ast.Transaction) (string, error) {
	level, readOnly := s.chainModes()
	if s.block == noBlock {
		if t.Chain {
			return "", noTransaction("ROLLBACK AND CHAIN")
		}
		s.warn(pgerr.NoActiveTransaction, "there is no transaction in progress")
	}
	s.rollback()
	return "ROLLBACK", s.chain(ctx, t, level, readOnly)
}

// chainModes are the modes of the next transaction of AND CHAIN: those of this
// one, but the defaults if it failed, as PostgreSQL does it.
func (s *Session) chainModes() (level string, readOnly bool) {
	if s.block == failedBlock {
		return s.settingText("default_transaction_isolation"), s.settingText("default_transaction_read_only") == "on"
	}
	return s.level, s.readOnly
}

// chain opens the next transaction with the same modes.
func (s *Session) chain(ctx context.Context, t *ast.Transaction, level string, readOnly bool) error {
	if !t.Chain {
		return nil
	}
	s.txnStart = time.Now()
	s.stmtStart, s.env = s.txnStart, nil
	s.level, s.readOnly, s.block = level, readOnly, openBlock
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
