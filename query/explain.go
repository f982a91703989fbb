package query

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// explain is EXPLAIN; with ANALYZE the statement is run and its rows dropped.
func (s *Session) explain(ctx context.Context, p *Portal, st *plan.Explain) error {
	begin := time.Now()
	root, err := explained(st.Stmt)
	if err != nil {
		return err
	}
	var stats *exec.Stats
	if st.Options.Analyze {
		if s.writer(st.Stmt) != nil {
			return s.explainWrite(ctx, p, st)
		}
		if _, isQuery := st.Stmt.(*plan.Query); !isQuery {
			return pgerr.Unsupported("EXPLAIN ANALYZE of this statement is not supported")
		}
		if err := errLocksRows(st.Stmt, "EXPLAIN ANALYZE"); err != nil {
			return err
		}
		stats = exec.NewStats()
	}
	rt := s.runtime(ctx, p.params, stats)
	if root, err = s.optimize(rt, root); err != nil {
		return err
	}
	planned := time.Now()
	if stats != nil {
		if err := runToEnd(ctx, rt, root); err != nil {
			return err
		}
	}
	p.showPlan(st, s.explainText(rt, st, root, stats, planned.Sub(begin), time.Since(planned)))
	return nil
}

// explainExecute is EXPLAIN EXECUTE: it runs as EXPLAIN of the statement that was prepared.
func (s *Session) explainExecute(ctx context.Context, p *Portal, st *ast.Explain) error {
	x, ok := st.Stmt.(*ast.Execute)
	if !ok {
		return pgerr.Unsupported("EXPLAIN of this statement is not supported")
	}
	inner, err := s.execution(ctx, p, x)
	if err != nil {
		return err
	}
	if !plannable(inner.stmt.stmt) {
		return pgerr.Unsupported("EXPLAIN of this statement is not supported")
	}
	as := *st
	as.Stmt = inner.stmt.stmt
	inner.stmt = &Prepared{text: p.stmt.text, stmt: &as, params: inner.stmt.params}
	inner.fields = nil
	if err := s.start(ctx, inner); err != nil {
		inner.close()
		return err
	}
	p.rows, p.fields, p.tag = inner.rows, inner.fields, inner.tag
	return nil
}

// explainWrite is EXPLAIN ANALYZE of INSERT, UPDATE, DELETE and MERGE.
func (s *Session) explainWrite(ctx context.Context, p *Portal, st *plan.Explain) error {
	begin := time.Now()
	stats := exec.NewStats()
	a, err := s.runWrite(ctx, p, st.Stmt, stats)
	if err != nil {
		return err
	}
	o := a.last.result()
	p.showPlan(st, s.explainText(s.runtime(ctx, p.params, nil), st, o.root, stats, o.planning, time.Since(begin)-o.planning))
	return a.Close()
}

// showPlan makes a plan's text the portal's rows.
func (p *Portal) showPlan(st *plan.Explain, text string) {
	p.fields, p.tag = st.Out, "EXPLAIN"
	var rows [][]datum.Value
	if st.Options.Format == plan.ExplainJSON {
		rows = [][]datum.Value{{text}}
	} else {
		for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			rows = append(rows, []datum.Value{line})
		}
	}
	p.rows = newRowSet(st.Out, rows)
}

// explained is the plan that a statement reads by.
func explained(st plan.Statement) (plan.Node, error) {
	switch st := st.(type) {
	case *plan.Query:
		return st.Root, nil
	case *plan.Insert:
		return st.Source, nil
	case *plan.Update:
		return st.Source, nil
	case *plan.Delete:
		return st.Source, nil
	case *plan.Merge:
		return st.Source, nil
	case *plan.CreateTableAs:
		return explained(st.Rows)
	case *plan.Chain:
		return explainedChain(st)
	}
	return nil, pgerr.Unsupported("EXPLAIN of this statement is not supported")
}

// explainedChain shows what a WITH clause changes as queries of the statement's plan.
func explainedChain(c *plan.Chain) (plan.Node, error) {
	body, err := explained(c.Last)
	if err != nil {
		return nil, err
	}
	n := &plan.CTE{Body: body}
	always := true
	for _, s := range c.Steps {
		source, err := explained(s.Stmt)
		if err != nil {
			return nil, err
		}
		n.Defs = append(n.Defs, plan.CTEDef{ID: s.ID, Name: s.Name, Init: source, Materialized: &always})
	}
	return n, nil
}

func runToEnd(ctx context.Context, rt *exec.Runtime, root plan.Node) error {
	op, err := exec.Build(rt, root)
	if err != nil {
		return err
	}
	defer op.Close()
	for {
		batch, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		batch.Release()
	}
}
