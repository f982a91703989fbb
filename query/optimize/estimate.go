package optimize

import (
	"math"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// Guesses where nothing is known.
const (
	tableRows     = 1000
	virtualRows   = 200
	functionRows  = 100
	recursiveRows = 1000

	equalShare  = 0.01 // of the rows that pass column = value
	listShare   = 0.05
	nullShare   = 0.1
	otherShare  = 0.3
	groupShare  = 0.1 // groups among rows
	uniqueShare = 0.2 // different rows among rows
)

// estimated is what is guessed of the rows that a node yields.
type estimated struct {
	rows    float64
	columns []chunk.ColumnStatistics // by the node's fields; the zero value where nothing is known
}

// bounded keeps estimates from what numbers that are added and multiplied cannot be.
func bounded(rows float64) float64 {
	if rows != rows { // 0 of infinitely many
		return 1
	}
	return min(max(rows, 1), 1e18)
}

func unknown(n plan.Node, rows float64) *estimated {
	return &estimated{rows: bounded(rows), columns: make([]chunk.ColumnStatistics, len(n.Fields()))}
}

// EstimatedRows guesses how many rows a node yields.
func (c *Context) EstimatedRows(n plan.Node) int64 {
	c.prepare()
	return int64(math.Round(c.estimate(n).rows))
}

// estimate guesses how many rows a node yields, and which values they have.
func (c *Context) estimate(n plan.Node) *estimated {
	switch m := n.(type) {
	case *plan.Scan:
		return c.estimateScan(m)
	case *plan.Sample:
		return c.estimateSample(m)
	case *plan.VirtualScan:
		return unknown(n, virtualRows)
	case *plan.Values:
		return unknown(n, float64(len(m.Rows)))
	case *plan.FunctionScan:
		return unknown(n, functionRows)
	case *plan.Filter:
		return c.filtered(c.estimate(m.Input), plan.Conjuncts(m.Cond))
	case *plan.Project:
		return c.estimateProject(m)
	case *plan.Aggregate:
		return c.estimateAggregate(m)
	case *plan.ScanAggregate:
		return unknown(n, 1)
	case *plan.Gapfill:
		in := c.estimate(m.Input)
		return &estimated{rows: bounded(10 * in.rows), columns: padded(in.columns, n)}
	case *plan.Limit:
		return c.estimateLimit(m)
	case *plan.Distinct:
		in := c.estimate(m.Input)
		if len(m.On) > 0 {
			return &estimated{rows: c.groups(in, m.On), columns: in.columns}
		}
		return &estimated{rows: distinctRows(in.rows, in.columns), columns: in.columns}
	case *plan.Join:
		return c.estimateJoin(m)
	case *plan.AsofJoin:
		in := c.estimate(m.Left)
		return &estimated{rows: in.rows, columns: padded(in.columns, n)}
	case *plan.Apply:
		l, r := c.estimate(m.Left), c.estimate(m.Right)
		return &estimated{rows: bounded(l.rows * min(r.rows, 2)), columns: padded(append(l.columns[:len(l.columns):len(l.columns)], r.columns...), n)}
	case *plan.SetOp:
		l, r := c.estimate(m.Left), c.estimate(m.Right)
		return unknown(n, l.rows+r.rows)
	case *plan.CTE:
		return c.estimate(m.Body)
	case *plan.CTEScan:
		return unknown(n, recursiveRows)
	}
	// What is left hands on the rows of its input, perhaps with more columns.
	if in := n.Inputs(); len(in) == 1 {
		e := c.estimate(in[0])
		return &estimated{rows: e.rows, columns: padded(e.columns, n)}
	}
	return unknown(n, recursiveRows)
}

// padded returns columns as many as a node has, of which nothing is known of those that come.
func padded(columns []chunk.ColumnStatistics, n plan.Node) []chunk.ColumnStatistics {
	out := make([]chunk.ColumnStatistics, len(n.Fields()))
	copy(out, columns)
	return out
}

func (c *Context) estimateScan(n *plan.Scan) *estimated {
	e := unknown(n, tableRows)
	if c.Rows != nil {
		e.rows = float64(max(c.Rows(n.Table.OID), 1))
	}
	var s *chunk.Statistics
	if c.Statistics != nil {
		s = c.Statistics(n.Table.OID)
	}
	if s == nil {
		s = &chunk.Statistics{}
	}
	for i, id := range n.Spec.Columns {
		if i < len(e.columns) {
			e.columns[i] = s.Columns[id]
		}
	}
	share, ranges := 1.0, ranges{}
	for _, p := range n.Spec.Filter {
		if of := s.Columns[p.Column]; len(p.Values) != 1 || !ranges.add(int(p.Column), p.Op, of, p.Values[0]) {
			share *= predicateShare(p.Op, of, p.Values)
		}
	}
	for _, d := range n.Dynamic {
		share *= predicateShare(d.Op, s.Columns[d.Column], make([]datum.Value, len(d.Values)))
	}
	share *= ranges.share()
	e.rows = bounded(e.rows * share)
	return c.filtered(e, n.Filter)
}

// filtered is what is left by conditions.
func (c *Context) filtered(e *estimated, conds []expr.Expr) *estimated {
	return &estimated{rows: bounded(e.rows * c.shareOf(conds, e)), columns: e.columns}
}

func (c *Context) estimateProject(n *plan.Project) *estimated {
	in := c.estimate(n.Input)
	out := unknown(n, in.rows)
	for i, e := range n.Exprs {
		if col, ok := e.(*expr.Column); ok && i < len(out.columns) {
			out.columns[i] = in.columns[col.Index]
		}
	}
	return out
}

func (c *Context) estimateAggregate(n *plan.Aggregate) *estimated {
	if len(n.Keys) == 0 {
		return unknown(n, 1)
	}
	in := c.estimate(n.Input)
	out := unknown(n, c.groups(in, n.Keys)*float64(max(len(n.Sets), 1)))
	for i, e := range n.Keys {
		if col, ok := e.(*expr.Column); ok {
			out.columns[i] = in.columns[col.Index]
		}
	}
	return out
}

// groups guesses how many different values expressions have together.
func (c *Context) groups(in *estimated, keys []expr.Expr) float64 {
	var columns []chunk.ColumnStatistics
	for _, e := range keys {
		if _, ok := constant(e); ok {
			continue
		}
		var s chunk.ColumnStatistics
		if col, ok := e.(*expr.Column); ok {
			s = in.columns[col.Index]
		}
		columns = append(columns, s)
	}
	if len(columns) == 0 {
		return 1
	}
	return distinctRows(in.rows, columns)
}

// distinctRows guesses how many different rows there are.
func distinctRows(rows float64, columns []chunk.ColumnStatistics) float64 {
	n, known := 1.0, false
	for _, s := range columns {
		if s.Distinct > 0 {
			n, known = n*s.Distinct, true
			continue
		}
		n *= max(math.Pow(rows, 0.5)*groupShare, 1)
	}
	if !known {
		n = rows * uniqueShare
	}
	return max(min(n, rows), 1)
}

// sampledPart is taken to be the part of the rows that a sample has if it is not known.
const sampledPart = 0.1

func (c *Context) estimateSample(n *plan.Sample) *estimated {
	in, part := c.estimate(n.Input), sampledPart
	if v, ok := constant(n.Percent); ok {
		if p, isFloat := v.(float32); isFloat && p >= 0 && p <= 100 {
			part = float64(p) / 100
		}
	}
	return &estimated{rows: bounded(in.rows * part), columns: in.columns}
}

func (c *Context) estimateLimit(n *plan.Limit) *estimated {
	in := c.estimate(n.Input)
	out := &estimated{rows: in.rows, columns: in.columns}
	if v, ok := constant(n.Count); ok {
		if k, isInt := v.(int64); isInt {
			out.rows = bounded(min(out.rows, float64(k)))
		}
	}
	return out
}

func (c *Context) estimateJoin(n *plan.Join) *estimated {
	l, r := c.estimate(n.Left), c.estimate(n.Right)
	both := &estimated{rows: bounded(l.rows * r.rows), columns: append(l.columns[:len(l.columns):len(l.columns)], r.columns...)}
	var equal []float64
	for i := range n.EquiLeft {
		equal = append(equal, equalityShare(statisticsOf(n.EquiLeft[i], l), statisticsOf(n.EquiRight[i], r), l.rows, r.rows))
	}
	share := c.pairs(l, r, both, equal, plan.Conjuncts(n.Cond))
	switch n.Kind {
	case plan.SemiJoin:
		return &estimated{rows: bounded(l.rows * min(share*r.rows, 1)), columns: l.columns}
	case plan.AntiJoin, plan.NullAntiJoin:
		return &estimated{rows: bounded(l.rows * max(1-share*r.rows, 0.1)), columns: l.columns}
	}
	rows := both.rows * share
	if n.Kind == plan.LeftJoin || n.Kind == plan.FullJoin {
		rows = max(rows, l.rows)
	}
	if n.Kind == plan.RightJoin || n.Kind == plan.FullJoin {
		rows = max(rows, r.rows)
	}
	return &estimated{rows: bounded(rows), columns: padded(both.columns, n)}
}

// statisticsOf returns those of a column, nothing of another expression.
func statisticsOf(e expr.Expr, in *estimated) chunk.ColumnStatistics {
	if col, ok := e.(*expr.Column); ok && col.Index < len(in.columns) {
		return in.columns[col.Index]
	}
	return chunk.ColumnStatistics{}
}
