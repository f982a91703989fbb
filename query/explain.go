package query

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
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
	if change := changeOf(st.Stmt); change != nil && st.Options.Analyze {
		return s.explainChange(ctx, p, st, change)
	}
	var stats *exec.Stats
	if st.Options.Analyze {
		if _, isQuery := st.Stmt.(*plan.Query); !isQuery {
			return pgerr.Unsupported("EXPLAIN ANALYZE of a statement that writes is not supported")
		}
		stats = exec.NewStats()
	}
	rt := s.runtime(ctx, p.params, stats)
	root = s.optimize(rt, root)
	planned := time.Now()
	if stats != nil {
		if err := runToEnd(ctx, rt, root); err != nil {
			return err
		}
	}
	p.showPlan(st, s.explainText(st, root, stats, planned.Sub(begin), time.Since(planned)))
	return nil
}

// explainChange is EXPLAIN ANALYZE of UPDATE and DELETE.
func (s *Session) explainChange(ctx context.Context, p *Portal, st *plan.Explain, change *changeStmt) error {
	begin := time.Now()
	c, err := s.runChange(ctx, p, change, true)
	if err != nil {
		return err
	}
	c.returned.release()
	p.showPlan(st, s.explainText(st, c.root, c.stats, c.planning, time.Since(begin)-c.planning))
	return nil
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
	case *plan.CreateTableAs:
		return st.Source, nil
	}
	return nil, pgerr.Unsupported("EXPLAIN of this statement is not supported")
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
