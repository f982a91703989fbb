package parse

import (
	"strconv"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

func systemType(name string, mods ...ast.Expr) *ast.TypeName {
	return &ast.TypeName{Names: []string{"pg_catalog", name}, Mods: mods}
}

func intLiteral(n int) ast.Expr {
	return &ast.Literal{Kind: ast.Number, Text: strconv.Itoa(n)}
}

// typeName reads a type, with SETOF and array bounds.
func (p *parser) typeName() *ast.TypeName {
	start := p.t
	setOf := p.accept("setof")
	t := p.simpleType()
	t.Pos = pos(start)
	t.SetOf = setOf
	switch {
	case p.accept("array"):
		t.Dims = []int{-1}
		if p.acceptKind('[') {
			t.Dims[0] = p.integer()
			p.expectKind(']')
		}
	default:
		for p.t.kind == '[' {
			p.advance()
			bound := -1
			if p.t.kind != ']' {
				bound = p.integer()
			}
			p.expectKind(']')
			t.Dims = append(t.Dims, bound)
		}
	}
	return t
}

func (p *parser) simpleType() *ast.TypeName {
	if p.t.kind == tKeyword && p.t.class == ast.ColumnKeyword || p.is("double") && p.peek(1).is("precision") {
		if t := p.sqlType(false); t != nil {
			return t
		}
	}
	if !p.t.isFuncName() {
		p.fail()
	}
	t := &ast.TypeName{Pos: pos(p.t), Names: []string{p.advance().text}}
	for p.acceptKind('.') {
		t.Names = append(t.Names, p.label())
	}
	if p.acceptKind('(') {
		t.Mods = p.exprs()
		p.expectKind(')')
	}
	return t
}

// typedLiteral reads a type that is a keyword and a string after it, or
// returns nil if the keyword here is no type or no string follows.
func (p *parser) typedLiteral() ast.Expr {
	start := p.t
	// A column may have the name of a type: look before the type is consumed.
	switch next := p.peek(1); {
	case next.kind == tString, next.kind == '(':
	case next.is("varying"), next.is("with"), next.is("without"), next.is("precision"), next.is("character"), next.is("char"):
	default:
		return nil
	}
	t := p.sqlType(true)
	if t == nil {
		return nil
	}
	t.Pos = pos(start)
	if p.t.kind != tString {
		p.fail()
	}
	lit := p.advance()
	if t.Names[1] == "interval" && t.Mods == nil {
		t.Mods = p.intervalFields()
	}
	return p.typed(start, lit, t)
}

// sqlType reads a type whose name is a keyword, or returns nil. A literal's
// char and bit without a length take any.
func (p *parser) sqlType(literal bool) *ast.TypeName {
	word := p.t.text
	if name, ok := plainTypes[word]; ok {
		p.advance()
		return systemType(name)
	}
	switch word {
	case "double":
		p.advance()
		p.expect("precision")
		return systemType("float8")
	case "float":
		return p.floatType()
	case "decimal", "dec", "numeric":
		p.advance()
		t := systemType("numeric")
		if p.acceptKind('(') {
			t.Mods = p.exprs()
			p.expectKind(')')
		}
		return t
	case "bit":
		p.advance()
		name := "bit"
		if p.accept("varying") {
			name = "varbit"
		}
		return p.withLength(name, name == "bit" && !literal, true)
	case "character", "char", "nchar", "national", "varchar":
		return p.characterType(literal)
	case "time", "timestamp":
		return p.timeType()
	case "interval":
		p.advance()
		t := systemType("interval")
		if p.acceptKind('(') {
			t.Mods = []ast.Expr{intLiteral(ast.IntervalFullRange), intLiteral(p.integer())}
			p.expectKind(')')
		} else if !literal {
			t.Mods = p.intervalFields()
		}
		return t
	}
	return nil
}

var plainTypes = map[string]string{
	"int": "int4", "integer": "int4", "smallint": "int2", "bigint": "int8", "real": "float4", "boolean": "bool",
}

func (p *parser) floatType() *ast.TypeName {
	p.advance()
	if !p.acceptKind('(') {
		return systemType("float8")
	}
	at := p.t
	bits := p.integer()
	p.expectKind(')')
	switch {
	case bits < 1:
		p.errorf(at.pos, pgerr.InvalidParameterValue, "precision for type float must be at least 1 bit")
	case bits > 53:
		p.errorf(at.pos, pgerr.InvalidParameterValue, "precision for type float must be less than 54 bits")
	case bits <= 24:
		return systemType("float4")
	}
	return systemType("float8")
}

func (p *parser) characterType(literal bool) *ast.TypeName {
	word := p.advance().text
	name := "bpchar"
	switch {
	case word == "varchar":
		name = "varchar"
	case word == "national":
		if p.oneOf("character", "char") == "" {
			p.fail()
		}
		fallthrough
	default:
		if p.accept("varying") {
			name = "varchar"
		}
	}
	return p.withLength(name, name == "bpchar" && !literal, false)
}

// withLength reads (n); without it the length is 1 if one is set.
func (p *parser) withLength(name string, one, anyExpr bool) *ast.TypeName {
	t := systemType(name)
	switch {
	case p.acceptKind('('):
		if anyExpr {
			t.Mods = p.exprs()
		} else {
			n := p.expectKind(tInt)
			t.Mods = []ast.Expr{at(n, &ast.Literal{Kind: ast.Number, Text: n.text})}
		}
		p.expectKind(')')
	case one:
		t.Mods = []ast.Expr{intLiteral(1)}
	}
	return t
}

func (p *parser) timeType() *ast.TypeName {
	name := p.advance().text
	var mods []ast.Expr
	if p.acceptKind('(') {
		mods = []ast.Expr{intLiteral(p.integer())}
		p.expectKind(')')
	}
	if p.is("with") && p.peek(1).is("time") {
		p.advance()
		p.expect("time", "zone")
		name += "tz"
	} else if p.is("without") && p.peek(1).is("time") {
		p.advance()
		p.expect("time", "zone")
	}
	return systemType(name, mods...)
}

var intervalUnits = []struct {
	word string
	mask int
	to   map[string]int // what the range may end with, and its mask
}{
	{"year", ast.IntervalYear, map[string]int{"month": ast.IntervalYear | ast.IntervalMonth}},
	{"month", ast.IntervalMonth, nil},
	{"day", ast.IntervalDay, map[string]int{
		"hour":   ast.IntervalDay | ast.IntervalHour,
		"minute": ast.IntervalDay | ast.IntervalHour | ast.IntervalMinute,
		"second": ast.IntervalDay | ast.IntervalHour | ast.IntervalMinute | ast.IntervalSecond}},
	{"hour", ast.IntervalHour, map[string]int{
		"minute": ast.IntervalHour | ast.IntervalMinute,
		"second": ast.IntervalHour | ast.IntervalMinute | ast.IntervalSecond}},
	{"minute", ast.IntervalMinute, map[string]int{"second": ast.IntervalMinute | ast.IntervalSecond}},
	{"second", ast.IntervalSecond, nil},
}

// intervalFields reads HOUR TO SECOND(3) and its like, nil if absent.
func (p *parser) intervalFields() []ast.Expr {
	for _, u := range intervalUnits {
		if !p.is(u.word) {
			continue
		}
		first := p.advance()
		mask, seconds := u.mask, u.word == "second"
		if u.to != nil && p.accept("to") {
			wide, ok := u.to[p.t.text]
			if !ok || p.t.kind != tKeyword {
				p.fail()
			}
			mask, seconds = wide, p.advance().text == "second"
		}
		mods := []ast.Expr{at(first, &ast.Literal{Kind: ast.Number, Text: strconv.Itoa(mask)})}
		if seconds && p.acceptKind('(') {
			mods = append(mods, intLiteral(p.integer()))
			p.expectKind(')')
		}
		return mods
	}
	return nil
}
