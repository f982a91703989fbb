package query

import (
	"time"

	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/optimize"
	"github.com/phyllodb/phyllo/query/plan"
)

// optimize rewrites a plan for one run with the runtime's parameters.
func (s *Session) optimize(rt *exec.Runtime, root plan.Node) plan.Node {
	return optimize.Optimize(&optimize.Context{
		Eval: &expr.Context{Context: rt.Function, Params: rt.Params}, Rows: s.txn.TableRows, Registry: s.engine.registry,
	}, root)
}

// explainText writes a plan as EXPLAIN shows it; stats is nil without ANALYZE.
func (s *Session) explainText(st *plan.Explain, root plan.Node, stats *exec.Stats, planning, execution time.Duration) string {
	x := &plan.Explainer{Options: st.Options, Rows: s.txn.TableRows, Env: s.Env(), PlanningTime: planning, ExecutionTime: execution}
	if stats != nil {
		x.Runs = runs{stats}
	}
	if c := changeOf(st); c != nil {
		x.Changes, x.Operation = c.table, map[string]string{"UPDATE": "Update", "DELETE": "Delete"}[c.command]
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
