package query

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A writer runs one INSERT, UPDATE, DELETE or MERGE once.
type writer interface {
	command() string
	// run changes the rows; again says that another transaction was there first.
	run(ctx context.Context, rt *exec.Runtime) (again bool, err error)
	result() *outcome
}

// An outcome is what a writer did.
type outcome struct {
	rows     int64
	returned *exec.Spool
	root     plan.Node // the plan of its rows, as it was run
	planning time.Duration
}

func (o *outcome) result() *outcome { return o }

// open opens the plan of a writer's rows.
func (o *outcome) open(rt *exec.Runtime, s *Session, source plan.Node) (exec.Operator, error) {
	begin := time.Now()
	root, err := s.optimize(rt, source)
	if err != nil {
		return nil, err
	}
	o.root, o.planning = root, time.Since(begin)
	return exec.Build(rt, root)
}

// writer makes the writer of a statement, nil for one that only reads.
func (s *Session) writer(st plan.Statement) writer {
	switch st := st.(type) {
	case *plan.Insert:
		return &inserter{session: s, stmt: st}
	case *plan.Update:
		c := &changer{session: s, name: "UPDATE", table: st.Table, checks: st.Rules, source: st.Source, set: st.Set}
		c.write = c.update
		return c
	case *plan.Delete:
		c := &changer{session: s, name: "DELETE", table: st.Table, source: st.Source}
		c.write = c.delete
		return c
	case *plan.Merge:
		return s.merger(st)
	}
	return nil
}

// commandOf is the name of a statement that writes, as in its tag.
func (s *Session) commandOf(st plan.Statement) string {
	if c, ok := st.(*plan.Chain); ok {
		for _, step := range c.Steps {
			if name := s.commandOf(step.Stmt); name != "" {
				return name
			}
		}
		return s.commandOf(c.Last)
	}
	if w := s.writer(st); w != nil {
		return w.command()
	}
	if _, locks := plan.Uses(st); len(locks) > 0 {
		return "SELECT " + locks[0].Strength.String()
	}
	return ""
}

// write runs a statement that changes tables.
func (s *Session) write(ctx context.Context, p *Portal, st plan.Statement) error {
	a, err := s.runWrite(ctx, p, st, nil)
	if err != nil {
		return err
	}
	if p.rows = a.operator(); a.last == nil {
		return nil
	}
	o := a.last.result()
	p.tag = a.last.command() + " " + strconv.FormatInt(o.rows, 10)
	if a.last.command() == "INSERT" {
		p.tag = "INSERT 0 " + strconv.FormatInt(o.rows, 10)
	}
	if p.rows != nil {
		p.fields = a.stmt.Fields()
		return nil
	}
	return a.Close()
}

// rowsOf runs a statement for its rows.
func (s *Session) rowsOf(ctx context.Context, p *Portal, st plan.Statement) (exec.Operator, error) {
	if q, ok := st.(*plan.Query); ok {
		return s.open(ctx, q.Root, p.params, nil)
	}
	a, err := s.runWrite(ctx, p, st, nil)
	if err != nil {
		return nil, err
	}
	return a.operator(), nil
}

// runWrite runs a statement that changes tables, again and again while others change the
// rows that it has seen. The caller closes the attempt that it returns.
func (s *Session) runWrite(ctx context.Context, p *Portal, st plan.Statement, stats *exec.Stats) (*attempt, error) {
	_, locks := plan.Uses(st)
	again := len(locks) > 0 // it may have to begin again
	var tables []*schema.Table
	for _, w := range plan.Written(st) {
		again = again || w.Changes
		tables = append(tables, w.Table)
	}
	if err := s.writable(s.commandOf(st), tables...); err != nil {
		return nil, err
	}
	mark := 0
	if again {
		mark = s.txn.Savepoint()
	}
	for {
		settled, skipped, err := s.settled(ctx, p, st)
		if err != nil {
			return nil, err
		}
		st = settled
		a := &attempt{session: s, stmt: st, rt: s.runtime(ctx, p.params, stats)}
		a.rt.Locker = &locker{session: s, skipped: skipped}
		failed, err := a.run(ctx)
		if err == nil && !failed {
			if again {
				s.txn.Release(mark)
			}
			return a, nil
		}
		err = errors.Join(err, a.Close())
		if err == nil {
			err = s.txn.Retry(ctx, mark)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
}

// settled locks the tables that a statement writes to against changes of their definitions,
// begins its snapshot if it changes or locks rows, and returns the statement bound to the
// definitions as they are then, and the tables without a key whose rows are to be skipped.
func (s *Session) settled(ctx context.Context, p *Portal, st plan.Statement) (_ plan.Statement, skipped map[datum.OID]bool, err error) {
	for {
		catalog := s.txn.Catalog()
		if err := s.lockReads(ctx, st); err != nil {
			return nil, nil, err
		}
		if skipped, err = s.beginRowLocks(ctx, st); err != nil {
			return nil, nil, err
		}
		writes := plan.Written(st)
		for _, w := range writes {
			if w.Changes {
				if err := s.txn.BeginChange(ctx, w.Table.OID, w.Strength); err != nil {
					return nil, nil, err
				}
			}
		}
		for _, w := range writes {
			if err := s.txn.LockRows(ctx, w.Table.OID); err != nil {
				return nil, nil, err
			}
		}
		if s.txn.Catalog() == catalog {
			return st, skipped, nil
		}
		if st, err = s.rebind(ctx, p); err != nil {
			return nil, nil, err
		}
	}
}

// rebind binds a portal's statement, or the one that it explains, to the definitions as they
// are now.
func (s *Session) rebind(ctx context.Context, p *Portal) (plan.Statement, error) {
	bound, err := s.bound(ctx, p)
	if err != nil {
		return nil, err
	}
	switch x := bound.(type) {
	case *plan.Explain:
		return x.Stmt, nil
	case *plan.CreateTableAs:
		return x.Rows, nil
	}
	return bound, nil
}

// An attempt is one run of a statement that changes tables, with its WITH clause.
type attempt struct {
	session *Session
	stmt    plan.Statement
	rt      *exec.Runtime
	last    writer        // nil if the statement is a query
	rows    exec.Operator // its rows
	spools  []*exec.Spool
}

// run runs the statement; again says that another transaction was there first.
func (a *attempt) run(ctx context.Context) (again bool, err error) {
	if again, err = a.runOnce(ctx); errors.Is(err, exec.ErrAgain) {
		return true, nil
	}
	return again, err
}

func (a *attempt) runOnce(ctx context.Context) (again bool, err error) {
	st := a.stmt
	if c, ok := st.(*plan.Chain); ok {
		a.rt.Returned = map[int]*exec.Spool{}
		for i := range c.Steps {
			if again, err := a.step(ctx, &c.Steps[i]); again || err != nil {
				return again, err
			}
		}
		st = c.Last
	}
	if q, ok := st.(*plan.Query); ok {
		if _, locks := plan.Uses(q); len(locks) == 0 {
			a.rows, err = a.session.build(a.rt, q.Root)
			return false, err
		}
		root, err := a.session.optimize(a.rt, q.Root)
		if err != nil {
			return false, err
		}
		kept := a.spool() // rows that were locked may still turn out to be too old
		a.rows = kept.Operator(arrowSchema(q.Fields()))
		return false, exec.Run(ctx, a.rt, root, kept.Add)
	}
	a.last = a.session.writer(st)
	if a.last == nil {
		return false, pgerr.Unsupported("%T is not supported", st)
	}
	a.last.result().returned = a.spool()
	return a.last.run(ctx, a.rt)
}

// step runs a query of WITH and keeps its rows.
func (a *attempt) step(ctx context.Context, st *plan.Step) (again bool, err error) {
	rows := a.spool()
	if q, ok := st.Stmt.(*plan.Query); ok {
		var root plan.Node
		if root, err = a.session.optimize(a.rt, q.Root); err == nil {
			err = exec.Run(ctx, a.rt, root, rows.Add)
		}
	} else {
		w := a.session.writer(st.Stmt)
		w.result().returned = rows
		again, err = w.run(ctx, a.rt)
	}
	a.rt.Returned[st.ID] = rows
	return again, err
}

// operator has the rows of the statement, and ends the attempt when it is closed; nil if the
// statement returns none.
func (a *attempt) operator() exec.Operator {
	if a.rows != nil { // a query over what was changed
		return &ownedRows{a.rows, a}
	}
	fields := a.stmt.Fields()
	if fields == nil {
		return nil
	}
	return &ownedRows{a.last.result().returned.Operator(arrowSchema(fields)), a}
}

func (a *attempt) spool() *exec.Spool {
	s := exec.NewSpool(a.rt)
	a.spools = append(a.spools, s)
	return s
}

// Close releases the rows that were kept.
func (a *attempt) Close() error {
	var errs []error
	if a.rows != nil {
		errs = append(errs, a.rows.Close())
		a.rows = nil
	}
	for _, s := range a.spools {
		errs = append(errs, s.Close())
	}
	a.spools = nil
	return errors.Join(errs...)
}

// ownedRows are the rows of an attempt, which ends with them.
type ownedRows struct {
	exec.Operator
	of *attempt
}

func (r *ownedRows) Close() error { return errors.Join(r.Operator.Close(), r.of.Close()) }
