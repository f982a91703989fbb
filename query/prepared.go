package query

import (
	"context"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/parse"
	"github.com/phyllodb/phyllo/query/plan"
)

// A Prepared is a parsed statement with its parameters' types and its result's
// columns. It is bound anew for each run, so that it sees changed tables.
type Prepared struct {
	name    string
	text    string
	stmt    ast.Stmt // nil: the empty statement
	params  []datum.OID
	fields  []plan.Field
	made    time.Time
	fromSQL bool // PREPARE, not the protocol
	plans   int64
}

// ParamTypes are the types of $1...
func (p *Prepared) ParamTypes() []datum.Type {
	types := make([]datum.Type, len(p.params))
	for i, oid := range p.params {
		types[i] = datum.Of(oid)
	}
	return types
}

// Fields are the result's columns, nil if the statement returns no rows.
func (p *Prepared) Fields() []plan.Field { return p.fields }

// Parse prepares a statement under a name; the empty name may be taken again.
// types gives the parameters' types as far as the client knows them.
func (s *Session) Parse(ctx context.Context, name, text string, types []datum.OID) (err error) {
	defer s.caught(&err)
	if name != "" && s.prepared[name] != nil {
		return pgerr.New(pgerr.DuplicatePrepared, "prepared statement %q already exists", name)
	}
	stmts, err := s.parse(ctx, text)
	if err != nil {
		return err
	}
	if len(stmts) > 1 {
		return pgerr.New(pgerr.SyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	for _, t := range types {
		if t.Class() == datum.DomainClass {
			return pgerr.Unsupported("parameters of domains are not supported").WithHint("Use the type that the domain is over.")
		}
	}
	p := &Prepared{name: name, text: text, params: types, made: time.Now()}
	if len(stmts) == 1 {
		p.stmt = stmts[0].Node
		if err := s.checkBlock(p.stmt); err != nil {
			return err
		}
		if err := s.describe(ctx, p); err != nil {
			return err
		}
	}
	if name == "" {
		delete(s.prepared, "")
	} else if err := s.checkHeld(p.sizeBytes()); err != nil {
		return err
	}
	s.prepared[name] = p
	return nil
}

// describe finds the parameters' types and the result's columns.
func (s *Session) describe(ctx context.Context, p *Prepared) error {
	cursor, declares := p.stmt.(*ast.DeclareCursor)
	if !declares && !plannable(p.stmt) {
		var err error
		p.fields, err = s.utilityFields(p.stmt)
		return err
	}
	return s.interruptible(ctx, func(ctx context.Context) error {
		if err := s.startStatement(ctx); err != nil {
			return err
		}
		env := s.bindEnv(ctx, p.params, false)
		if declares { // it has the parameters of its query, but not its rows
			_, err := bind.Statement(env, cursor.Query)
			p.params = env.Params
			return err
		}
		bound, err := bind.Statement(env, p.stmt)
		if err != nil {
			return err
		}
		p.params, p.fields = env.Params, bound.Fields()
		return nil
	})
}

// plannable says which statements the binder takes.
func plannable(stmt ast.Stmt) bool {
	switch stmt := stmt.(type) {
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge, *ast.Copy:
		return true
	case *ast.CreateTableAs:
		_, executes := stmt.Query.(*ast.Execute)
		return !executes
	case *ast.Explain:
		return plannable(stmt.Stmt)
	}
	return false
}

// CheckDescribe refuses to describe a statement that returns rows in a failed
// block, where its columns cannot be looked up.
func (s *Session) CheckDescribe(fields []plan.Field) error {
	if s.block == failedBlock && fields != nil {
		return errFailedBlock
	}
	return nil
}

// Prepared finds a prepared statement.
func (s *Session) Prepared(name string) (*Prepared, error) {
	if p := s.prepared[name]; p != nil {
		return p, nil
	}
	if name == "" {
		return nil, pgerr.New(pgerr.InvalidStatementName, "unnamed prepared statement does not exist")
	}
	return nil, pgerr.New(pgerr.InvalidStatementName, "prepared statement %q does not exist", name)
}

// ClosePrepared forgets a prepared statement, if there is such.
func (s *Session) ClosePrepared(name string) { delete(s.prepared, name) }

// prepareCommand is PREPARE.
func (s *Session) prepareCommand(ctx context.Context, stmt *ast.Prepare) (string, error) {
	if s.prepared[stmt.Name] != nil {
		return "", pgerr.New(pgerr.DuplicatePrepared, "prepared statement %q already exists", stmt.Name)
	}
	p := &Prepared{name: stmt.Name, text: s.source(), stmt: stmt.Stmt, made: time.Now(), fromSQL: true}
	for _, tn := range stmt.Types {
		t, err := bind.Type(s.bindEnv(ctx, nil, true), tn)
		if err != nil {
			return "", err
		}
		p.params = append(p.params, t.OID)
	}
	if err := s.describe(ctx, p); err != nil {
		return "", err
	}
	if err := s.checkHeld(p.sizeBytes()); err != nil {
		return "", err
	}
	s.prepared[stmt.Name] = p
	return "PREPARE", nil
}

// deallocate is DEALLOCATE.
func (s *Session) deallocate(stmt *ast.Deallocate) (string, error) {
	if stmt.All {
		clear(s.prepared)
		return "DEALLOCATE ALL", nil
	}
	if _, err := s.Prepared(stmt.Name); err != nil {
		return "", err
	}
	delete(s.prepared, stmt.Name)
	return "DEALLOCATE", nil
}

// bindEnv is what the binder may know; a statement must have been started.
func (s *Session) bindEnv(ctx context.Context, params []datum.OID, fixed bool) *bind.Env {
	return &bind.Env{
		Catalog: s.txn.Catalog(), Virtual: virtual{s.engine.catalog}, Registry: s.engine.registry,
		SearchPath: s.SearchPath(false), TempSchema: s.temporarySchema(), Session: s.Env(), User: s.opt.User,
		Params: append([]datum.OID(nil), params...), FixedParams: fixed, Parse: parseOne, Context: ctx,
	}
}

func parseOne(sql string) (ast.Stmt, error) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, pgerr.New(pgerr.SyntaxError, "expected one statement, found %d", len(stmts))
	}
	return stmts[0].Node, nil
}
