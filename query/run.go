package query

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
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
	if _, ok := p.stmt.stmt.(*ast.Transaction); ok {
		return s.utility(ctx, p)
	}
	return s.defining(ctx, func() error { return s.startOnce(ctx, p) })
}

// startOnce is start for what is no command of transactions.
func (s *Session) startOnce(ctx context.Context, p *Portal) error {
	if !plannable(p.stmt.stmt) {
		return s.utility(ctx, p)
	}
	s.ran = true
	bound, err := s.bound(ctx, p)
	if err != nil {
		return err
	}
	if bound, err = s.readable(ctx, p, bound); err != nil {
		return err
	}
	p.stmt.plans++
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
		if _, locks := plan.Uses(st); len(locks) > 0 {
			return s.write(ctx, p, st)
		}
		if p.cursor != nil && p.cursor.undecided {
			p.cursor.backward = goesBackward(st.Root)
		}
		op, err := s.open(ctx, st.Root, p.params, nil)
		p.rows = op
		return err
	case *plan.Insert, *plan.Update, *plan.Delete, *plan.Merge, *plan.Chain:
		return s.write(ctx, p, bound)
	case *plan.Copy:
		return s.copy(ctx, p, st)
	case *plan.Explain:
		return s.explain(ctx, p, st)
	case *plan.CreateTableAs:
		return s.createTableAs(ctx, p, st)
	}
	return pgerr.Unsupported("%T is not supported", bound)
}

// open optimises a plan and opens its operators, which the caller closes.
func (s *Session) open(ctx context.Context, root plan.Node, params []datum.Value, stats *exec.Stats) (exec.Operator, error) {
	return s.build(s.runtime(ctx, params, stats), root)
}

// build is open for what has its runtime.
func (s *Session) build(rt *exec.Runtime, root plan.Node) (exec.Operator, error) {
	root, err := s.optimize(rt, root)
	if err != nil {
		return nil, err
	}
	return exec.Build(rt, root)
}

// runtime is what operators run in.
func (s *Session) runtime(ctx context.Context, params []datum.Value, stats *exec.Stats) *exec.Runtime {
	workers := int(s.intSetting("phyllo.workers"))
	if workers == 0 {
		workers = s.engine.opt.Workers
	}
	memory := s.intSetting("work_mem") << 10
	return &exec.Runtime{
		Reader: s.txn.Statement(), Function: s.functionContext(ctx, exec.NewAllocator(s.engine.pool, exec.ValuesLimit(memory))), Params: params,
		Budget: exec.NewBudget("query", memory, s.engine.budget).SetBy("work_mem"), Temp: s.tempFiles(), Workers: workers,
		Pruning:   setting.Pruning(s.settingText("phyllo.pruning")),
		Relations: s.relations(), Stats: stats, Turn: s.engine.turns.NewTurn(),
	}
}
