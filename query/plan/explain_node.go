package plan

import (
	"fmt"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query/expr"
)

// top describes a plan, below what it is for if that is not a query.
func (x *Explainer) top(n Node) *shown {
	s := x.show(n, nil)
	if x.Changes == nil {
		return s
	}
	s.relation = "Outer"
	m := &shown{title: x.Operation + " on " + x.Changes.Name, nodeType: "ModifyTable", children: []*shown{s}}
	m.add("Operation", x.Operation)
	m.add("Relation Name", x.Changes.Name)
	if s.run != nil { // rows that come are changed, and leave by RETURNING alone
		m.run = &Run{Loops: 1, Time: x.ExecutionTime}
	}
	return m
}

// show describes a node and those below it.
func (x *Explainer) show(n Node, parent Node) *shown {
	s := &shown{rows: -1}
	if x.Rows != nil {
		s.rows = x.Rows(n)
	}
	if x.Runs != nil {
		if r, ok := x.Runs.Run(n); ok {
			s.run = &r
		}
	}
	x.describe(s, n)
	if x.Options.Verbose {
		s.add("Output", names(n.Fields()))
	}
	x.showRun(s)
	for i, in := range n.Inputs() {
		c := x.show(in, n)
		c.relation = "Outer"
		if i > 0 {
			c.relation = "Inner"
		}
		if w, ok := n.(*CTE); ok {
			c.relation, c.label = x.cteChild(w, i)
		}
		s.children = append(s.children, c)
	}
	x.showSubqueries(s, n)
	return s
}

func (s *shown) add(name string, value any) {
	s.props = append(s.props, prop{name: name, value: value})
}

func (s *shown) addIf(name string, list []string) {
	if len(list) > 0 {
		s.add(name, list)
	}
}

// cteChild labels the inputs of a CTE: the body, then the WITH queries.
func (x *Explainer) cteChild(w *CTE, i int) (relation, label string) {
	if i == 0 {
		return "Outer", ""
	}
	k := 1
	for _, d := range w.Defs {
		if k == i {
			return "InitPlan", "CTE " + d.Name
		}
		k++
		if d.Step != nil {
			if k == i {
				return "InitPlan", "CTE " + d.Name + " (recursive term)"
			}
			k++
		}
	}
	return "InitPlan", "CTE"
}

// showSubqueries adds the plans of subqueries in a node's expressions.
func (x *Explainer) showSubqueries(s *shown, n Node) {
	number := 0
	for _, e := range Exprs(n) {
		Walk(e, func(y expr.Expr) bool {
			q, ok := y.(*expr.Subquery)
			if !ok {
				return true
			}
			number++
			c := x.show(q.Plan.(Node), n)
			c.relation, c.label = "SubPlan", fmt.Sprintf("SubPlan %d", number)
			if len(q.Outer) == 0 {
				c.relation, c.label = "InitPlan", fmt.Sprintf("InitPlan %d", number)
			}
			s.children = append(s.children, c)
			return true
		})
	}
}

// Conjunction shows conditions as one.
func (x *Explainer) condition(es []expr.Expr, columns []string) string {
	if len(es) == 1 {
		t := x.text(es[0], columns)
		if !strings.HasPrefix(t, "(") {
			t = "(" + t + ")"
		}
		return t
	}
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = x.text(e, columns)
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

func (x *Explainer) describe(s *shown, n Node) {
	set := func(nodeType string) { s.title, s.nodeType = nodeType, nodeType }
	switch m := n.(type) {
	case *Scan:
		x.describeScan(s, m)
	case *Sample:
		set("Sample")
		s.add("Sampling Method", m.Method)
		s.add("Percent", x.text(m.Percent, nil))
		if m.Seed != nil {
			s.add("Repeatable Seed", x.text(m.Seed, nil))
		}
	case *VirtualScan:
		set("Catalog Scan")
		s.title += " on " + m.Name + aliasText(m.Alias, m.Name)
		s.add("Relation Name", m.Name)
		s.add("Schema", m.Namespace)
		s.add("Alias", m.Alias)
	case *Values:
		set("Values Scan")
		if len(m.Out) == 0 && len(m.Rows) == 1 || len(m.Rows) == 0 {
			set("Result")
		}
		if len(m.Rows) == 0 {
			s.add("One-Time Filter", "false")
		}
	case *FunctionScan:
		set("Function Scan")
		var fns []string
		for _, c := range m.Calls {
			if c.Fn != nil {
				fns = append(fns, c.Fn.Name)
			}
		}
		s.title += " on " + strings.Join(fns, ", ")
		s.add("Function Name", strings.Join(fns, ", "))
	case *Filter:
		set("Filter")
		s.add("Filter", x.condition(Conjuncts(m.Cond), names(m.Input.Fields())))
	case *Project:
		set("Project")
		s.add("Expressions", x.texts(m.Exprs, names(m.Input.Fields())))
	case *ProjectSet:
		set("ProjectSet")
	case *Aggregate:
		x.describeAggregate(s, m)
	case *ScanAggregate:
		set("Scan Aggregate")
		var aggs []string
		for _, a := range m.Aggs {
			aggs = append(aggs, x.scanAggText(m, a))
		}
		s.add("Aggregates", aggs)
	case *Gapfill:
		x.describeGapfill(s, m)
	case *Window:
		set("WindowAgg")
		s.addIf("Partition By", x.texts(m.PartitionBy, names(m.Input.Fields())))
		s.addIf("Order By", x.keys(m.OrderBy, names(m.Input.Fields())))
	case *Sort:
		set("Sort")
		if m.TopK != nil {
			set("Top-N Sort")
			s.add("Limit", x.text(m.TopK, nil))
		}
		s.add("Sort Key", x.keys(m.Keys, names(m.Input.Fields())))
	case *Limit:
		set("Limit")
	case *LockRows:
		set("LockRows")
	case *Distinct:
		set("HashAggregate")
		s.add("Strategy", "Distinct")
		s.title = "Distinct"
		if m.On != nil {
			s.title, s.nodeType = "Unique", "Unique"
			s.add("Unique Key", x.texts(m.On, names(m.Input.Fields())))
		}
	case *Join:
		x.describeJoin(s, m)
	case *AsofJoin:
		x.describeAsofJoin(s, m)
	case *Apply:
		set("Nested Loop")
		if m.Kind == LeftJoin {
			s.title += " Left Join"
		}
		s.add("Join Type", joinNames[m.Kind])
		if m.Cond != nil {
			s.add("Join Filter", x.condition(Conjuncts(m.Cond), names(m.Left.Fields(), m.Right.Fields())))
		}
	case *Number:
		set("Number")
	case *FirstOf:
		set("First Of")
		s.add("Key", names(m.Fields())[m.Column])
	case *SetOp:
		x.describeSetOp(s, m)
	case *CTE:
		set("With")
	case *CTEScan:
		set("CTE Scan")
		s.title += " on " + m.Name
		s.add("CTE Name", m.Name)
	default:
		set(fmt.Sprintf("%T", n))
	}
}

func aliasText(alias, name string) string {
	if alias == "" || alias == name {
		return ""
	}
	return " " + alias
}

func (x *Explainer) describeScan(s *shown, m *Scan) {
	s.title, s.nodeType = "Scan", "Scan"
	s.title += " on " + m.Table.Name + aliasText(m.Alias, m.Table.Name)
	s.add("Relation Name", m.Table.Name)
	s.add("Alias", m.Alias)
	var cols []string
	for _, id := range m.Spec.Columns {
		if c, ok := m.ColumnField(id); ok {
			cols = append(cols, c.Name)
		}
	}
	s.addIf("Columns", cols)
	var pushed []string
	for _, p := range m.Spec.Filter {
		pushed = append(pushed, x.predicateText(m, p))
	}
	for _, d := range m.Dynamic {
		pushed = append(pushed, x.dynamicText(m, d))
	}
	if len(pushed) > 0 {
		s.props = append(s.props, prop{name: "Pushed Filter", value: pushed, text: "(" + strings.Join(pushed, ") AND (") + ")"})
	}
	if len(m.Filter) > 0 {
		s.add("Filter", x.condition(m.Filter, names(m.Out)))
	}
	if m.AsOf != nil {
		s.add("As Of", x.texts([]expr.Expr{m.AsOf}, nil))
	}
	if m.Limit > 0 {
		s.add("Rows Wanted", m.Limit)
	}
}

func (x *Explainer) dynamicText(m *Scan, d DynamicPredicate) string {
	name := fmt.Sprintf("column %d", d.Column)
	if c, ok := m.ColumnField(d.Column); ok {
		name = c.Name
	}
	vs := strings.Join(x.texts(d.Values, nil), ", ")
	if d.Op == chunk.OpIn {
		return name + " = ANY (" + vs + ")"
	}
	return name + " " + opSigns[d.Op] + " " + vs
}

func (x *Explainer) describeAggregate(s *shown, m *Aggregate) {
	s.title, s.nodeType = "HashAggregate", "Aggregate"
	strategy := "Hashed"
	if len(m.Keys) == 0 {
		s.title, strategy = "Aggregate", "Plain"
	}
	s.add("Strategy", strategy)
	cols := names(m.Input.Fields())
	s.addIf("Group Key", x.texts(m.Keys, cols))
	for _, set := range m.Sets {
		var ks []string
		for _, k := range set {
			ks = append(ks, x.text(m.Keys[k], cols))
		}
		s.add("Grouping Set", "("+strings.Join(ks, ", ")+")")
	}
	var calls []string
	for _, c := range m.Calls {
		calls = append(calls, x.callText(c, cols))
	}
	s.addIf("Aggregates", calls)
}

func (x *Explainer) callText(c AggCall, cols []string) string {
	args := "*"
	if len(c.Args)+len(c.Direct) > 0 {
		args = strings.Join(x.texts(append(c.Direct[:len(c.Direct):len(c.Direct)], c.Args...), cols), ", ")
	}
	if c.Distinct {
		args = "DISTINCT " + args
	}
	if len(c.OrderBy) > 0 {
		args += " ORDER BY " + strings.Join(x.keys(c.OrderBy, cols), ", ")
	}
	t := c.Agg.Name + "(" + args + ")"
	if c.Filter != nil {
		t += " FILTER (WHERE " + x.text(c.Filter, cols) + ")"
	}
	return t
}

func (x *Explainer) scanAggText(m *ScanAggregate, a chunk.Aggregate) string {
	name := map[chunk.AggregateFunc]string{chunk.AggCountStar: "count", chunk.AggCount: "count", chunk.AggSum: "sum", chunk.AggMin: "min", chunk.AggMax: "max"}[a.Func]
	if a.Func == chunk.AggCountStar {
		return "count(*)"
	}
	if c, ok := m.Scan.ColumnField(a.Column); ok {
		return name + "(" + c.Name + ")"
	}
	return name
}

var joinNames = map[JoinKind]string{InnerJoin: "Inner", LeftJoin: "Left", RightJoin: "Right", FullJoin: "Full",
	SemiJoin: "Semi", AntiJoin: "Anti", NullAntiJoin: "Anti (NOT IN)"}

func (x *Explainer) describeJoin(s *shown, m *Join) {
	s.nodeType = "Hash Join"
	if len(m.EquiLeft) == 0 {
		s.nodeType = "Nested Loop"
	}
	s.title = s.nodeType
	if m.Kind != InnerJoin {
		s.title = strings.TrimSuffix(s.nodeType, " Join") + " " + joinNames[m.Kind] + " Join"
	}
	s.add("Join Type", joinNames[m.Kind])
	l, r := names(m.Left.Fields()), names(m.Right.Fields())
	var conds []string
	for i := range m.EquiLeft {
		conds = append(conds, "("+x.text(m.EquiLeft[i], l)+" = "+x.text(m.EquiRight[i], r)+")")
	}
	if len(conds) > 0 {
		s.add("Hash Cond", strings.Join(conds, " AND "))
	}
	if m.Cond != nil {
		s.add("Join Filter", x.condition(Conjuncts(m.Cond), append(l, r...)))
	}
}

func (x *Explainer) describeAsofJoin(s *shown, m *AsofJoin) {
	s.title, s.nodeType = "Asof Join", "Asof Join"
	if m.Kind == LeftJoin {
		s.title = "Asof Left Join"
	}
	s.add("Join Type", joinNames[m.Kind])
	l, r := names(m.Left.Fields()), names(m.Right.Fields())
	var conds []string
	for i := range m.EquiLeft {
		conds = append(conds, "("+x.text(m.EquiLeft[i], l)+" = "+x.text(m.EquiRight[i], r)+")")
	}
	conds = append(conds, "("+x.text(m.TimeLeft, l)+" "+string(m.Op)+" "+x.text(m.TimeRight, r)+")")
	s.add("Asof Cond", strings.Join(conds, " AND "))
	if m.Cond != nil {
		s.add("Join Filter", x.condition(Conjuncts(m.Cond), append(l, r...)))
	}
}

func (x *Explainer) describeGapfill(s *shown, m *Gapfill) {
	s.title, s.nodeType = "Gapfill", "Gapfill"
	cols := names(m.Input.Fields())
	var groups []string
	for _, g := range m.Groups {
		groups = append(groups, cols[g])
	}
	s.addIf("Group Key", groups)
	s.add("Bucket Width", x.text(m.Width, nil))
	bounds := func(name, inclusive, exclusive string, bs []FillBound) {
		var list []string
		for _, b := range bs {
			op := inclusive
			if b.After {
				op = exclusive
			}
			list = append(list, op+" "+x.text(b.At, nil))
		}
		s.addIf(name, list)
	}
	bounds("Start", ">=", ">", m.Start)
	bounds("Finish", "<", "<=", m.Finish)
	var calls []string
	for _, c := range m.Calls {
		name := "locf"
		if c.Interpolate {
			name = "interpolate"
		}
		calls = append(calls, name+"("+x.text(c.Arg, cols)+")")
	}
	s.addIf("Fill", calls)
}

func (x *Explainer) describeSetOp(s *shown, m *SetOp) {
	name := map[SetOpKind]string{UnionAll: "Append", Union: "Union", IntersectAll: "Intersect All", Intersect: "Intersect",
		ExceptAll: "Except All", Except: "Except"}[m.Kind]
	s.title, s.nodeType = name, name
	if m.Kind != UnionAll {
		s.title = "HashSetOp " + name
		s.nodeType = "SetOp"
		s.add("Command", name)
	}
}

// showRun adds what a run did: the stages of a scan with what each skipped.
func (x *Explainer) showRun(s *shown) {
	r := s.run
	if r == nil {
		return
	}
	if r.PeakBytes > 0 {
		s.add("Memory", bytesText(r.PeakBytes))
	}
	if r.SpilledBytes > 0 {
		s.add("Disk", bytesText(r.SpilledBytes))
	}
	st := r.Scan
	if st == nil {
		return
	}
	if r.Workers > 1 {
		s.add("Workers", r.Workers)
	}
	stage := func(name string, skipped, total, rows int64) {
		if total > 0 {
			text := fmt.Sprintf("%d of %d skipped", skipped, total)
			if rows > 0 {
				text += fmt.Sprintf(", %d rows", rows)
			}
			s.add(name, text)
		}
	}
	stage("Partitions", st.PartitionsSkipped, st.PartitionsTotal, st.RowsSkippedPartitions)
	stage("Slices", st.SlicesSkipped, st.SlicesTotal, st.RowsSkippedSlices)
	stage("Chunks", st.ChunksSkipped, st.ChunksTotal, st.RowsSkippedChunks)
	if st.ChunksSkippedBloom > 0 {
		s.add("Chunks Skipped By Bloom Filters", st.ChunksSkippedBloom)
	}
	if st.ChunksFromManifest > 0 {
		s.add("Chunks From Manifest", st.ChunksFromManifest)
	}
	stage("Vectors", st.VectorsSkipped, st.VectorsTotal, st.RowsSkippedVectors)
	if r.SplitsSkipped > 0 {
		s.add("Splits Skipped", fmt.Sprintf("%d of %d", r.SplitsSkipped, r.Splits))
	}
	if st.RowsNotEdges > 0 {
		s.add("Rows Passed Over", fmt.Sprintf("%d before the edge of their key", st.RowsNotEdges))
	}
	s.add("Rows", fmt.Sprintf("%d returned, %d removed by pushed filter, of %d", st.RowsReturned, st.RowsFiltered, st.RowsTotal))
	if st.BufferRows > 0 {
		s.add("Rows From Buffers", st.BufferRows)
	}
	if st.MergedRows > 0 {
		s.add("Rows Merged", st.MergedRows)
	}
	s.add("Bytes", fmt.Sprintf("%s read, %s decoded, of %s", bytesText(st.BytesRead), bytesText(st.BytesDecoded), bytesText(st.BytesTotal)))
}

func bytesText(n int64) string {
	if n < 10*1024 {
		return fmt.Sprintf("%dB", n)
	}
	return fmt.Sprintf("%dkB", (n+1023)/1024)
}
