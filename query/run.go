package query

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/setting"
)

// start begins a portal's statement: it sets rows and fields, or does the
// whole work and sets the tag.
func (s *Session) start(ctx context.Context, p *Portal) error {
	if t, ok := p.stmt.stmt.(*ast.Transaction); ok && s.block == failedBlock {
		tag, err := s.transaction(ctx, t)
		p.tag = tag
		return err
	}
	if err := s.startStatement(ctx); err != nil {
		return err
	}
	if !plannable(p.stmt.stmt) {
		return s.utility(ctx, p)
	}
	s.ran = true
	env := s.bindEnv(ctx, p.stmt.params, true)
	bound, err := bind.Statement(env, p.stmt.stmt)
	if err != nil {
		return err
	}
	if err := sameFields(p, bound.Fields()); err != nil {
		return err
	}
	return s.startPlanned(ctx, p, bound)
}

// sameFields checks that a prepared statement still yields what was described.
func sameFields(p *Portal, now []plan.Field) error {
	if p.fields == nil {
		p.fields = now
		return nil
	}
	if len(p.fields) != len(now) {
		return errPlanChanged
	}
	for i := range now {
		if p.fields[i].Type != now[i].Type {
			return errPlanChanged
		}
	}
	return nil
}

var errPlanChanged = pgerr.New(pgerr.FeatureNotSupported, "cached plan must not change result type")

func (s *Session) startPlanned(ctx context.Context, p *Portal, bound plan.Statement) error {
	switch st := bound.(type) {
	case *plan.Query:
		if st.Into != nil {
			return pgerr.Unsupported("SELECT INTO is not supported").WithHint("Use CREATE TABLE AS.")
		}
		op, err := s.open(ctx, st.Root, p.params, nil)
		p.rows = op
		return err
	case *plan.Insert:
		return s.insert(ctx, p, st)
	case *plan.Copy:
		return s.copy(ctx, p, st)
	case *plan.Explain:
		return s.explain(ctx, p, st)
	case *plan.CreateTableAs:
		return s.createTableAs(ctx, p, st)
	case *plan.Update, *plan.Delete:
		return s.change(ctx, p, changeOf(st))
	}
	return pgerr.Unsupported("%T is not supported", bound)
}

// open optimises a plan and opens its operators, which the caller closes.
func (s *Session) open(ctx context.Context, root plan.Node, params []datum.Value, stats *exec.Stats) (exec.Operator, error) {
	rt := s.runtime(ctx, params, stats)
	return exec.Build(rt, s.optimize(rt, root))
}

// runtime is what operators run in.
func (s *Session) runtime(ctx context.Context, params []datum.Value, stats *exec.Stats) *exec.Runtime {
	workers := int(s.intSetting("phyllo.workers"))
	if workers == 0 {
		workers = s.engine.opt.Workers
	}
	return &exec.Runtime{
		Reader: s.txn.Statement(), Function: s.functionContext(ctx, s.engine.pool), Params: params,
		Budget: exec.NewBudget("query", s.intSetting("work_mem")<<10, s.engine.budget), Temp: s.engine.temp, Workers: workers,
		Pruning:   setting.Pruning(s.settingText("phyllo.pruning")),
		Relations: s.relations(), Stats: stats, Logger: s.engine.opt.Logger,
	}
}
