package query

import (
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/optimize"
	"github.com/phyllodb/phyllo/query/plan"
)

// planner returns what the optimiser may know for one run with the runtime's parameters.
func (s *Session) planner(rt *exec.Runtime) *optimize.Context {
	return &optimize.Context{
		Eval: &expr.Context{Context: rt.Function, Params: rt.Params}, Rows: s.txn.TableRows, Registry: s.engine.registry,
		Statistics: func(table datum.OID) *chunk.Statistics { return s.txn.Statistics(rt.Function, table) },
	}
}

// optimize rewrites a plan for one run.
func (s *Session) optimize(rt *exec.Runtime, root plan.Node) (plan.Node, error) {
	if a, ok := rt.Function.Mem.(*exec.Allocator); ok {
		defer a.During(rt.Function.Context)()
	}
	return optimize.Optimize(s.planner(rt), root)
}

// explainText writes a plan as EXPLAIN shows it; stats is nil without ANALYZE.
func (s *Session) explainText(rt *exec.Runtime, st *plan.Explain, root plan.Node, stats *exec.Stats, planning, execution time.Duration) string {
	x := &plan.Explainer{Options: st.Options, Rows: s.planner(rt).EstimatedRows, Env: s.Env(), PlanningTime: planning, ExecutionTime: execution}
	if stats != nil {
		x.Runs = runs{stats}
	}
	switch c := st.Stmt.(type) {
	case *plan.Insert:
		x.Changes, x.Operation = c.Table, "Insert"
	case *plan.Update:
		x.Changes, x.Operation = c.Table, "Update"
	case *plan.Delete:
		x.Changes, x.Operation = c.Table, "Delete"
	case *plan.Merge:
		x.Changes, x.Operation = c.Table, "Merge"
	}
	if st.Options.Format == plan.ExplainJSON {
		return x.JSON(root)
	}
	return x.Text(root)
}

// runs shows the executor's statistics to EXPLAIN.
type runs struct{ stats *exec.Stats }

// Run returns what is known of a node; ok is false if it never ran.
func (r runs) Run(n plan.Node) (plan.Run, bool) {
	st := r.stats.Of(n)
	if st == nil {
		return plan.Run{}, false
	}
	out := plan.Run{Rows: st.Rows(), Loops: st.Loops(), Time: st.Time(), SpilledBytes: st.SpilledBytes(), PeakBytes: st.PeakBytes()}
	if scan, splits, skipped, workers, ok := st.Scan(); ok {
		out.Scan, out.Splits, out.SplitsSkipped, out.Workers = &scan, splits, skipped, workers
	}
	return out, true
}
