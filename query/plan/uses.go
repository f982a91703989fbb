package plan

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
)

// WalkDeep visits the nodes of a plan and of the subqueries in it.
func WalkDeep(n Node, f func(Node)) {
	WalkNodes(n, func(m Node) bool {
		f(m)
		for _, e := range Exprs(m) {
			walkSubqueries(e, f)
		}
		return true
	})
}

func walkSubqueries(e expr.Expr, f func(Node)) {
	Walk(e, func(x expr.Expr) bool {
		if s, ok := x.(*expr.Subquery); ok {
			WalkDeep(s.Plan.(Node), f)
		}
		return true
	})
}

// walkStatement visits the nodes of all that a statement reads.
func walkStatement(st Statement, f func(Node)) {
	switch st := st.(type) {
	case *Query:
		WalkDeep(st.Root, f)
	case *Insert:
		WalkDeep(st.Source, f)
		if c := st.OnConflict; c != nil {
			walkSubqueries(c.Where, f)
			for _, a := range c.Set {
				walkSubqueries(a.Value, f)
			}
		}
		for _, e := range st.Returning {
			walkSubqueries(e, f)
		}
	case *Update:
		WalkDeep(st.Source, f)
	case *Delete:
		WalkDeep(st.Source, f)
	case *Merge:
		WalkDeep(st.Source, f)
	case *CreateTableAs:
		walkStatement(st.Rows, f)
	case *Copy:
		if st.Query != nil {
			WalkDeep(st.Query, f)
		}
		walkStatement(st.Change, f)
	case *Chain:
		for _, s := range st.Steps {
			walkStatement(s.Stmt, f)
		}
		walkStatement(st.Last, f)
	case *Explain:
		walkStatement(st.Stmt, f)
	}
}

// Uses returns the tables that a statement reads, and those of which it locks rows.
func Uses(st Statement) (reads []datum.OID, locks []RowLock) {
	walkStatement(st, func(n Node) {
		switch n := n.(type) {
		case *Scan:
			if !slices.Contains(reads, n.Table.OID) {
				reads = append(reads, n.Table.OID)
			}
		case *LockRows:
			locks = append(locks, n.Locks...)
		}
	})
	return reads, locks
}
