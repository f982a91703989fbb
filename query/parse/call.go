package parse

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

// callOrLiteral reads a call's parentheses and what may follow, or the
// modifiers of a type before a string: name(10) '...'.
func (p *parser) callOrLiteral(start token, names []string) ast.Expr {
	call := p.callArgs(start, names)
	if p.t.kind == tString && !call.Star && !call.Distinct && !call.Variadic && call.OrderBy == nil && len(call.Args) > 0 {
		for _, a := range call.Args {
			if _, named := a.(*ast.NamedArg); named {
				p.errorf(start.pos, pgerr.SyntaxError, "type modifier cannot have parameter name")
			}
		}
		return p.typed(start, p.advance(), &ast.TypeName{Pos: pos(start), Names: names, Mods: call.Args})
	}
	p.callTail(call)
	return call
}

// callArgs reads the parentheses of a call.
func (p *parser) callArgs(start token, names []string) *ast.FuncCall {
	c := at(start, &ast.FuncCall{Name: names})
	p.expectKind('(')
	switch {
	case p.acceptKind(')'):
		return c
	case p.isOp("*"):
		p.advance()
		c.Star = true
		p.expectKind(')')
		return c
	case p.accept("distinct"):
		c.Distinct = true
	default:
		p.accept("all")
	}
	for {
		if !c.Distinct && p.accept("variadic") {
			c.Variadic = true
		}
		c.Args = append(c.Args, p.arg())
		if c.Variadic || !p.acceptKind(',') {
			break
		}
	}
	if p.is("order") {
		c.OrderBy = p.orderBy()
	}
	p.expectKind(')')
	return c
}

// arg reads an argument: value, name => value or name := value.
func (p *parser) arg() ast.Expr {
	if t := p.t; t.isFuncName() {
		if k := p.peek(1).kind; k == tArrow || k == tAssign {
			p.advance()
			p.advance()
			return at(t, &ast.NamedArg{Name: t.text, Arg: p.expr()})
		}
	}
	return p.expr()
}

// callTail reads WITHIN GROUP, FILTER and OVER.
func (p *parser) callTail(c *ast.FuncCall) {
	if p.is("within") {
		t := p.expect("within", "group")
		switch {
		case c.OrderBy != nil:
			p.errorf(t.pos, pgerr.SyntaxError, "cannot use multiple ORDER BY clauses with WITHIN GROUP")
		case c.Distinct:
			p.errorf(t.pos, pgerr.SyntaxError, "cannot use DISTINCT with WITHIN GROUP")
		case c.Variadic:
			p.errorf(t.pos, pgerr.SyntaxError, "cannot use VARIADIC with WITHIN GROUP")
		}
		p.expectKind('(')
		c.WithinGroup, c.OrderBy = true, p.orderBy()
		p.expectKind(')')
	}
	if p.accept("filter") {
		p.expectKind('(')
		p.expect("where")
		c.Filter = p.expr()
		p.expectKind(')')
	}
	if p.accept("over") {
		if p.t.kind == '(' {
			c.Over = p.windowSpec()
		} else {
			c.Over = &ast.Window{Pos: pos(p.t), Name: p.colID()}
		}
	}
}

// windowSpec reads a window in parentheses.
func (p *parser) windowSpec() *ast.Window {
	w := &ast.Window{Pos: pos(p.expectKind('('))}
	if p.t.isColID() && !p.is("partition") && !p.is("range") && !p.is("rows") && !p.is("groups") {
		w.Base = p.advance().text
	}
	if p.accept("partition") {
		p.expect("by")
		w.PartitionBy = p.exprs()
	}
	if p.is("order") {
		w.OrderBy = p.orderBy()
	}
	if t := p.t; t.kind == tKeyword {
		if mode, ok := frameModes[t.text]; ok {
			p.advance()
			w.Frame = p.frame(t, mode)
		}
	}
	p.expectKind(')')
	return w
}

var frameModes = map[string]ast.FrameMode{"range": ast.RangeFrame, "rows": ast.RowsFrame, "groups": ast.GroupsFrame}

func (p *parser) frame(t token, m ast.FrameMode) *ast.Frame {
	f := &ast.Frame{Pos: pos(t), Mode: m}
	if p.accept("between") {
		start := p.t
		f.Start = p.frameBound()
		p.expect("and")
		end := p.t
		f.End = p.frameBound()
		p.checkFrame(start, end, f)
	} else {
		start := p.t
		f.Start, f.End = p.frameBound(), ast.FrameBound{Kind: ast.CurrentRow}
		p.checkFrame(start, start, f)
	}
	if p.accept("exclude") {
		switch {
		case p.accept("current", "row"):
			f.Exclude = ast.ExcludeCurrentRow
		case p.accept("group"):
			f.Exclude = ast.ExcludeGroup
		case p.accept("ties"):
			f.Exclude = ast.ExcludeTies
		default:
			p.expect("no", "others")
		}
	}
	return f
}

func (p *parser) frameBound() ast.FrameBound {
	switch {
	case p.accept("unbounded", "preceding"):
		return ast.FrameBound{Kind: ast.UnboundedPreceding}
	case p.accept("unbounded", "following"):
		return ast.FrameBound{Kind: ast.UnboundedFollowing}
	case p.accept("current", "row"):
		return ast.FrameBound{Kind: ast.CurrentRow}
	}
	b := ast.FrameBound{Offset: p.expr(), Kind: ast.OffsetFollowing}
	if p.accept("preceding") {
		b.Kind = ast.OffsetPreceding
	} else {
		p.expect("following")
	}
	return b
}

// checkFrame refuses frames whose ends cannot be in this order. Without BETWEEN
// both ends stand at one place.
func (p *parser) checkFrame(startAt, endAt token, f *ast.Frame) {
	where, msg := endAt, ""
	switch start, end := f.Start.Kind, f.End.Kind; {
	case start == ast.UnboundedFollowing:
		where, msg = startAt, "frame start cannot be UNBOUNDED FOLLOWING"
	case end == ast.UnboundedPreceding:
		msg = "frame end cannot be UNBOUNDED PRECEDING"
	case start == ast.CurrentRow && end == ast.OffsetPreceding:
		msg = "frame starting from current row cannot have preceding rows"
	case start == ast.OffsetFollowing && end == ast.CurrentRow && startAt.off == endAt.off:
		msg = "frame starting from following row cannot end with current row"
	case start == ast.OffsetFollowing && (end == ast.OffsetPreceding || end == ast.CurrentRow):
		msg = "frame starting from following row cannot have preceding rows"
	default:
		return
	}
	p.errorf(where.pos, pgerr.WindowingError, "%s", msg)
}
