package optimize

import (
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// scanPaths makes columns of scans (chunk.PathColumn) of what documents are asked for:
// payload->>'a', payload->'a'->>'b', payload #>> '{a,b}'. The storage may have them by
// themselves, and then reads no documents. It is done where the documents come from a
// scan through nodes that hand on rows as they are.
func (c *Context) scanPaths(n plan.Node) plan.Node {
	m, at, _ := c.paths(n, nil)
	return restored(m, at, n.Fields())
}

// restored yields the columns that a node had, whose places are now at.
func restored(n plan.Node, at []int, fields []plan.Field) plan.Node {
	if len(n.Fields()) == len(fields) {
		return n // columns are added at the end, or further ones move
	}
	es := make([]expr.Expr, len(fields))
	for i, f := range fields {
		es[i] = &expr.Column{Index: at[i], Name: f.Name, T: f.Type}
	}
	return &plan.Project{Input: n, Exprs: es, Out: fields}
}

// A path is what a document in a column is asked for.
type path struct {
	column int
	name   string // of the column
	keys   []string
	json   bool // as -> does, else as ->>
}

func (p path) is(q path) bool {
	return p.column == q.column && p.json == q.json && slices.Equal(p.keys, q.keys)
}

// pathOf recognises a path over a column.
func pathOf(e expr.Expr) (path, bool) {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return path{}, false
	}
	var keys []string
	text := false
	switch call.Fn.Name {
	case "jsonb_object_field", "jsonb_object_field_text":
		k, ok := stringConst(call.Args[1])
		if !ok {
			return path{}, false
		}
		keys, text = []string{k}, call.Fn.Name == "jsonb_object_field_text"
	case "jsonb_extract_path", "jsonb_extract_path_text":
		if keys, ok = pathConst(call.Args[1]); !ok {
			return path{}, false
		}
		text = call.Fn.Name == "jsonb_extract_path_text"
	default:
		return path{}, false
	}
	if col, ok := call.Args[0].(*expr.Column); ok && col.T.OID == datum.JSONB {
		return path{column: col.Index, name: col.Name, keys: keys, json: !text}, true
	}
	in, ok := pathOf(call.Args[0])
	if !ok || !in.json {
		return path{}, false
	}
	return path{column: in.column, name: in.name, keys: append(slices.Clip(in.keys), keys...), json: !text}, true
}

// pathConst is a constant path without steps that are numbers: these lead into arrays
// too.
func pathConst(e expr.Expr) (keys []string, ok bool) {
	v, _ := constant(e)
	a, ok := v.(datum.Array)
	if !ok || len(a.Values) == 0 {
		return nil, false
	}
	for _, x := range a.Values {
		k, ok := x.(string)
		if !ok {
			return nil, false
		}
		if _, err := strconv.Atoi(strings.TrimSpace(k)); err == nil {
			return nil, false
		}
		keys = append(keys, k)
	}
	return keys, true
}

// maxScanPaths bounds the columns that a scan gets.
const maxScanPaths = 64

// wanted adds the paths in expressions, the longest ones, to those there are.
func wanted(have []path, es ...expr.Expr) []path {
	for _, e := range es {
		plan.Walk(e, func(x expr.Expr) bool {
			p, ok := pathOf(x)
			if ok && len(have) < maxScanPaths && !slices.ContainsFunc(have, p.is) {
				have = append(have, p)
			}
			return !ok
		})
	}
	return have
}

// A supply says where an input's columns are now, and those of paths.
type supply struct {
	at    []int
	paths []path
	found []int // columns of the paths; -1: not supplied
}

// of rewrites an expression over the columns as they were.
func (s *supply) of(e expr.Expr) expr.Expr {
	if e == nil {
		return nil
	}
	return plan.Replace(e, func(x expr.Expr) (expr.Expr, bool) {
		if col, ok := x.(*expr.Column); ok {
			return &expr.Column{Index: s.at[col.Index], Name: col.Name, T: col.T}, true
		}
		p, ok := pathOf(x)
		if !ok {
			return nil, false
		}
		i := slices.IndexFunc(s.paths, p.is)
		if i < 0 || s.found[i] < 0 {
			return nil, false
		}
		return &expr.Column{Index: s.found[i], Name: p.String(), T: x.Type()}, true
	})
}

func (s *supply) all(es []expr.Expr) []expr.Expr {
	if es == nil {
		return nil
	}
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		out[i] = s.of(e)
	}
	return out
}

func (s *supply) keys(keys []plan.SortKey) []plan.SortKey {
	out := slices.Clone(keys)
	for i := range out {
		out[i].Expr = s.of(out[i].Expr)
	}
	return out
}

// input has an input supply paths, those that the node above wants of columns that it
// hands on, and those of the node's own expressions.
func (c *Context) input(n plan.Node, want []path, own ...expr.Expr) (plan.Node, *supply) {
	s := &supply{paths: wanted(slices.Clone(want), own...)}
	n, s.at, s.found = c.paths(n, s.paths)
	return n, s
}

// paths returns a node that yields all that n does, and columns of the paths that are
// wanted of it; where n's columns are in it, and where the paths' (-1: nowhere).
func (c *Context) paths(n plan.Node, want []path) (out plan.Node, at, found []int) {
	switch m := n.(type) {
	case *plan.Scan:
		return pathScan(m, want)
	case *plan.Filter:
		in, s := c.input(m.Input, want, m.Cond)
		return &plan.Filter{Input: in, Cond: s.of(m.Cond)}, s.at, s.found[:len(want)]
	case *plan.Sort:
		in, s := c.input(m.Input, want, sortExprs(m.Keys)...)
		return &plan.Sort{Input: in, Keys: s.keys(m.Keys), TopK: m.TopK}, s.at, s.found[:len(want)]
	case *plan.Limit:
		in, s := c.input(m.Input, want, sortExprs(m.WithTies)...)
		return &plan.Limit{Input: in, Count: m.Count, Offset: m.Offset, WithTies: s.keys(m.WithTies)}, s.at, s.found[:len(want)]
	case *plan.Project:
		return c.pathProject(m, want)
	case *plan.Aggregate:
		in, s := c.input(m.Input, nil, plan.Exprs(m)...)
		return plan.MapExprs(plan.WithInputs(m, []plan.Node{in}), s.of), numbers(len(m.Out)), nowhere(want)
	case *plan.Join:
		return c.pathJoin(m, want)
	}
	return plan.MapInputs(n, c.scanPaths), numbers(len(n.Fields())), nowhere(want)
}

func nowhere(want []path) []int {
	out := make([]int, len(want))
	for i := range out {
		out[i] = -1
	}
	return out
}

func sortExprs(keys []plan.SortKey) []expr.Expr {
	out := make([]expr.Expr, len(keys))
	for i := range keys {
		out[i] = keys[i].Expr
	}
	return out
}

// pathScan adds columns to a scan, for its own filter as well.
func pathScan(m *plan.Scan, want []path) (plan.Node, []int, []int) {
	s := &supply{at: numbers(len(m.Out)), paths: wanted(slices.Clone(want), m.Filter...)}
	out := *m
	out.Out, out.Spec.Columns = slices.Clip(m.Out), slices.Clip(m.Spec.Columns)
	for _, p := range s.paths {
		id := schema.FirstPathColumn + schema.ColumnID(len(out.Spec.Paths))
		p.name = m.Out[p.column].Name
		pc := chunk.PathColumn{ID: id, Name: p.String(), Column: m.Spec.Columns[p.column], Keys: p.keys, JSON: p.json}
		s.found = append(s.found, len(out.Out))
		out.Spec.Paths = append(slices.Clip(out.Spec.Paths), pc)
		out.Spec.Columns = append(out.Spec.Columns, id)
		out.Out = append(out.Out, plan.Field{Name: pc.Name, Type: pc.Type()})
	}
	out.Filter = s.all(m.Filter)
	return &out, s.at, s.found[:len(want)]
}

// String is a path as one would write it.
func (p path) String() string {
	var b strings.Builder
	b.WriteString("(" + p.name)
	for i, k := range p.keys {
		if i == len(p.keys)-1 && !p.json {
			b.WriteString(" ->> ")
		} else {
			b.WriteString(" -> ")
		}
		b.WriteString("'" + strings.ReplaceAll(k, "'", "''") + "'")
	}
	b.WriteByte(')')
	return b.String()
}

// pathProject asks the input for the paths of columns that a projection hands on.
func (c *Context) pathProject(m *plan.Project, want []path) (plan.Node, []int, []int) {
	found := nowhere(want)
	var below []path
	var of []int // the paths wanted that these are
	for i, p := range want {
		if col, ok := m.Exprs[p.column].(*expr.Column); ok {
			below = append(below, path{column: col.Index, keys: p.keys, json: p.json})
			of = append(of, i)
		} else if in, ok := pathOf(m.Exprs[p.column]); ok && in.json {
			below = append(below, path{column: in.column, keys: append(slices.Clip(in.keys), p.keys...), json: p.json})
			of = append(of, i)
		}
	}
	in, s := c.input(m.Input, below, m.Exprs...)
	out := &plan.Project{Input: in, Exprs: s.all(m.Exprs), Out: slices.Clip(m.Out)}
	fields := in.Fields()
	for k, i := range of {
		if at := s.found[k]; at >= 0 {
			found[i] = len(out.Exprs)
			out.Exprs = append(out.Exprs, &expr.Column{Index: at, Name: fields[at].Name, T: fields[at].Type})
			out.Out = append(out.Out, fields[at])
		}
	}
	return out, numbers(len(m.Out)), found
}

// pathJoin asks either input for what concerns it.
func (c *Context) pathJoin(m *plan.Join, want []path) (plan.Node, []int, []int) {
	lw := len(m.Left.Fields())
	semi := m.Kind == plan.SemiJoin || m.Kind == plan.AntiJoin || m.Kind == plan.NullAntiJoin
	both := wanted(slices.Clone(want), m.Cond)
	var left, right []path
	side := make([]int, len(both)) // the place among the paths of its input
	for i, p := range both {
		if p.column < lw {
			side[i] = len(left)
			left = append(left, p)
		} else {
			side[i] = len(right)
			right = append(right, path{column: p.column - lw, keys: p.keys, json: p.json})
		}
	}
	l, ls := c.input(m.Left, left, m.EquiLeft...)
	r, rs := c.input(m.Right, right, m.EquiRight...)
	width := len(l.Fields())
	s := &supply{at: joined(ls.at, rs.at, width), paths: both, found: nowhere(both)}
	for i, p := range both {
		if p.column < lw {
			s.found[i] = ls.found[side[i]]
		} else if at := rs.found[side[i]]; at >= 0 {
			s.found[i] = width + at
		}
	}
	out := *m
	out.Left, out.Right, out.EquiLeft, out.EquiRight, out.Cond = l, r, ls.all(m.EquiLeft), rs.all(m.EquiRight), s.of(m.Cond)
	out.Out = slices.Clone(l.Fields())
	if semi {
		return &out, s.at[:lw], s.found[:len(want)]
	}
	out.Out = append(out.Out, r.Fields()...)
	return &out, s.at, s.found[:len(want)]
}
