package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// windowCall binds a call of a window function.
func (b *binder) windowCall(e *ast.FuncCall, c *resolved, args []expr.Expr, s *scope) (expr.Expr, error) {
	name := e.Name[len(e.Name)-1]
	pos := e.Position()
	if e.Over == nil {
		return nil, pgerr.New(pgerr.WrongObjectType, "window function %s requires an OVER clause", name).At(pos)
	}
	switch {
	case e.Distinct:
		return nil, pgerr.Unsupported("DISTINCT is not implemented for window functions").At(pos)
	case len(e.OrderBy) > 0:
		return nil, pgerr.Unsupported("aggregate ORDER BY is not implemented for window functions").At(pos)
	case e.Filter != nil:
		return nil, pgerr.Unsupported("FILTER is not implemented for non-aggregate window functions").At(pos)
	case e.Star:
		return nil, pgerr.New(pgerr.WrongObjectType, "%s(*) specified, but %s is not an aggregate function", name, name).At(pos)
	}
	args, ret, err := b.coerceArgs(c.args, args, c.fn.Ret, pos)
	if err != nil {
		return nil, err
	}
	if err := b.noNesting(args, nil, pos, true); err != nil {
		return nil, err
	}
	return b.over(e.Over, plan.WindowCall{Fn: c.fn.Name, Args: args, T: ret}, s, pos)
}

// windowAggregate binds an aggregate with OVER.
func (b *binder) windowAggregate(e *ast.FuncCall, call plan.AggCall, s *scope) (expr.Expr, error) {
	switch {
	case e.Distinct:
		return nil, pgerr.Unsupported("DISTINCT is not implemented for window functions").At(e.Position())
	case len(e.OrderBy) > 0:
		return nil, pgerr.Unsupported("aggregate ORDER BY is not implemented for window functions").At(e.Position())
	}
	w := plan.WindowCall{Agg: call.Agg, Args: call.Args, Filter: call.Filter, T: call.T}
	return b.over(e.Over, w, s, e.Position())
}

// over binds OVER and makes the placeholder of a window function.
func (b *binder) over(w *ast.Window, call plan.WindowCall, s *scope, pos int) (expr.Expr, error) {
	if s.inAggregate {
		return nil, pgerr.New(pgerr.GroupingError, "aggregate function calls cannot contain window function calls").At(pos)
	}
	if s.inWindow {
		return nil, pgerr.New(pgerr.WindowingError, "window function calls cannot be nested").At(pos)
	}
	switch s.clause {
	case clauseTarget, clauseOrderBy, clauseDistinctOn:
	default:
		name := clauseNames[s.clause]
		if name == "" {
			name = "this context"
		}
		return nil, pgerr.New(pgerr.WindowingError, "window functions are not allowed in %s", name).At(pos)
	}
	ref := &winRef{call: call, pos: pos}
	def, err := windowDef(s.q.windows, w, map[string]bool{})
	if err != nil {
		return nil, err
	}
	if err := b.windowSpec(ref, def, s); err != nil {
		return nil, err
	}
	if call.Fn == function.SessionName && len(ref.order) == 0 {
		return nil, pgerr.New(pgerr.WindowingError, "window function session requires a window ORDER BY clause").
			WithHint("Order by the times, as in session(ts, gap) OVER (ORDER BY ts).").At(pos)
	}
	return ref, nil
}

// windowDef resolves references to named windows.
func windowDef(named []*ast.Window, w *ast.Window, seen map[string]bool) (*ast.Window, error) {
	base := w.Base
	plainRef := w.Name != "" && w.Base == "" && w.PartitionBy == nil && w.OrderBy == nil && w.Frame == nil && !isDefinition(named, w)
	if plainRef {
		base = w.Name
	}
	if base == "" {
		return w, nil
	}
	var found *ast.Window
	for _, n := range named {
		if n.Name == base {
			found = n
		}
	}
	if found == nil || seen[base] {
		return nil, pgerr.New(pgerr.UndefinedObject, "window %q does not exist", base).At(w.Position())
	}
	seen[base] = true
	def, err := windowDef(named, found, seen)
	if err != nil || plainRef {
		return def, err
	}
	switch {
	case len(w.PartitionBy) > 0:
		return nil, pgerr.New(pgerr.WindowingError, "cannot override PARTITION BY clause of window %q", base).At(w.Position())
	case len(w.OrderBy) > 0 && len(def.OrderBy) > 0:
		return nil, pgerr.New(pgerr.WindowingError, "cannot override ORDER BY clause of window %q", base).At(w.Position())
	case def.Frame != nil:
		return nil, pgerr.New(pgerr.WindowingError, "cannot copy window %q because it has a frame clause", base).
			WithHint("Omit the parentheses in this OVER clause.").At(w.Position())
	}
	merged := *w
	merged.Base, merged.PartitionBy = "", def.PartitionBy
	if len(w.OrderBy) == 0 {
		merged.OrderBy = def.OrderBy
	}
	return &merged, nil
}

func isDefinition(named []*ast.Window, w *ast.Window) bool {
	for _, n := range named {
		if n == w {
			return true
		}
	}
	return false
}

func (b *binder) windowSpec(ref *winRef, w *ast.Window, s *scope) error {
	for _, e := range w.PartitionBy {
		x, err := b.expr(e, s.with(clauseWindowPartition))
		if err != nil {
			return err
		}
		if x, err = b.resolveUnknown(x); err != nil {
			return err
		}
		if err := b.needEqual(x.Type().OID, position(e)); err != nil {
			return err
		}
		ref.partition = append(ref.partition, x)
	}
	for _, it := range w.OrderBy {
		x, err := b.expr(it.Expr, s.with(clauseWindowOrder))
		if err != nil {
			return err
		}
		if x, err = b.resolveUnknown(x); err != nil {
			return err
		}
		if ref.order, err = b.addSortKey(ref.order, x, it); err != nil {
			return err
		}
	}
	return b.frameOf(ref, w, s)
}

// frameOf binds the frame clause; the default is RANGE UNBOUNDED PRECEDING.
func (b *binder) frameOf(ref *winRef, w *ast.Window, s *scope) error {
	f := &ref.call.Frame
	if w.Frame == nil {
		f.Mode, f.Start.Kind, f.End.Kind = plan.FrameRange, plan.UnboundedPreceding, plan.CurrentRow
		return nil
	}
	a := w.Frame
	f.Mode = map[ast.FrameMode]plan.FrameMode{ast.RangeFrame: plan.FrameRange, ast.RowsFrame: plan.FrameRows, ast.GroupsFrame: plan.FrameGroups}[a.Mode]
	f.Exclude = uint8(a.Exclude)
	switch {
	case a.Start.Kind == ast.UnboundedFollowing:
		return pgerr.New(pgerr.WindowingError, "frame start cannot be UNBOUNDED FOLLOWING").At(a.Position())
	case a.End.Kind == ast.UnboundedPreceding:
		return pgerr.New(pgerr.WindowingError, "frame end cannot be UNBOUNDED PRECEDING").At(a.Position())
	case a.Start.Kind == ast.CurrentRow && a.End.Kind == ast.OffsetPreceding:
		return pgerr.New(pgerr.WindowingError, "frame starting from current row cannot have preceding rows").At(a.Position())
	case a.Start.Kind == ast.OffsetFollowing && (a.End.Kind == ast.OffsetPreceding || a.End.Kind == ast.CurrentRow):
		return pgerr.New(pgerr.WindowingError, "frame starting from following row cannot have preceding rows").At(a.Position())
	case f.Mode == plan.FrameGroups && len(ref.order) == 0:
		return pgerr.New(pgerr.WindowingError, "GROUPS mode requires an ORDER BY clause").At(w.Position())
	}
	var err error
	if f.Start, err = b.frameBound(a.Start, f.Mode, ref, s, w.Position()); err != nil {
		return err
	}
	f.End, err = b.frameBound(a.End, f.Mode, ref, s, w.Position())
	return err
}

func (b *binder) frameBound(a ast.FrameBound, mode plan.FrameMode, ref *winRef, s *scope, pos int) (plan.Bound, error) {
	kinds := [...]plan.BoundKind{ast.UnboundedPreceding: plan.UnboundedPreceding, ast.OffsetPreceding: plan.Preceding,
		ast.CurrentRow: plan.CurrentRow, ast.OffsetFollowing: plan.Following, ast.UnboundedFollowing: plan.UnboundedFollowing}
	out := plan.Bound{Kind: kinds[a.Kind]}
	if a.Offset == nil {
		return out, nil
	}
	x, err := b.expr(a.Offset, s.with(clauseWindowFrame))
	if err != nil {
		return out, err
	}
	name := map[plan.FrameMode]string{plan.FrameRows: "ROWS", plan.FrameGroups: "GROUPS", plan.FrameRange: "RANGE"}[mode]
	if plan.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.Column); return ok }) {
		return out, pgerr.New(pgerr.InvalidColumnReference, "argument of %s must not contain variables", name).At(position(a.Offset))
	}
	if mode != plan.FrameRange {
		out.Offset, err = b.specific(x, datum.Int8, name, position(a.Offset))
		return out, err
	}
	if len(ref.order) != 1 {
		return out, pgerr.New(pgerr.WindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column").At(pos)
	}
	t := ref.order[0].Expr.Type().OID
	want, ok := rangeOffset(t, x.Type().OID)
	if !ok {
		if x.Type().OID != datum.Unknown && rangeHas(t) {
			return out, pgerr.Unsupported("RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and offset type %s",
				b.typeText(t), b.typeText(x.Type().OID)).WithHint("Cast the offset value to an appropriate type.").At(position(a.Offset))
		}
		return out, pgerr.Unsupported("RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", b.typeText(t)).At(position(a.Offset))
	}
	out.Offset, err = b.implicit(x, want, position(a.Offset))
	return out, err
}

func rangeHas(t datum.OID) bool {
	_, ok := rangeOffset(t, datum.Unknown)
	return ok
}

// rangeOffset returns the type of offset that in_range takes for a sort column.
func rangeOffset(column, offset datum.OID) (datum.OID, bool) {
	switch column {
	case datum.Int2, datum.Int4, datum.Int8:
		switch offset {
		case datum.Int2, datum.Int4, datum.Int8:
			return offset, column != datum.Int8 || offset == datum.Int8 || true
		case datum.Unknown:
			return column, true
		}
	case datum.Float4, datum.Float8:
		switch offset {
		case datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8, datum.Numeric, datum.Unknown:
			return datum.Float8, true
		}
	case datum.Numeric:
		switch offset {
		case datum.Int2, datum.Int4, datum.Int8, datum.Numeric, datum.Unknown:
			return datum.Numeric, true
		}
	case datum.Date, datum.Timestamp, datum.TimestampTZ, datum.Time, datum.TimeTZ, datum.Interval:
		return datum.Interval, offset == datum.Interval || offset == datum.Unknown
	}
	return 0, false
}

// windowRefs are the window functions of the targets.
func (p *selectPlan) windowRefs() (refs []*winRef) {
	for i := range p.targets {
		plan.Walk(p.targets[i].e, func(x expr.Expr) bool {
			if w, ok := x.(*winRef); ok {
				refs = append(refs, w)
				return false
			}
			return true
		})
	}
	return refs
}

// windowSets computes the set-returning functions by which windows divide and order their rows.
func (p *selectPlan) windowSets() {
	if !p.q.hasSets {
		return
	}
	var by []expr.Expr
	for _, w := range p.windowRefs() {
		by = append(by, w.partition...)
		for _, k := range w.order {
			by = append(by, k.Expr)
		}
	}
	p.expandSets(setsIn(by...), nil)
}

// windowed says whether a target has a window function.
func (p *selectPlan) windowed() bool { return len(p.windowRefs()) > 0 }

// window adds a Window node for each different window of the targets.
func (p *selectPlan) window() error {
	p.windowSets()
	refs := p.windowRefs()
	if len(refs) == 0 {
		return nil
	}

	at := map[*winRef]*expr.Column{}
	done := make([]bool, len(refs))
	for i, w := range refs {
		if done[i] {
			continue
		}
		n := &plan.Window{Input: p.node, PartitionBy: w.partition, OrderBy: w.order}
		n.Out = append(n.Out, p.node.Fields()...)
		for j := i; j < len(refs); j++ {
			x := refs[j]
			if done[j] || !plan.EqualAll(x.partition, w.partition) || !sameKeys(x.order, w.order) {
				continue
			}
			done[j] = true
			name := x.call.Fn
			if x.call.Agg != nil {
				name = x.call.Agg.Name
			}
			at[x] = &expr.Column{Index: len(n.Out), Name: name, T: x.call.T}
			n.Calls = append(n.Calls, x.call)
			n.Out = append(n.Out, plan.Field{Name: name, Type: x.call.T})
		}
		p.node = n
	}
	for i := range p.targets {
		p.targets[i].e = plan.Replace(p.targets[i].e, func(x expr.Expr) (expr.Expr, bool) {
			if w, ok := x.(*winRef); ok {
				return at[w], true
			}
			return nil, false
		})
	}
	return nil
}
