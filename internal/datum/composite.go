package datum

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A row of a composite type lies in memory, and is stored, as the bytes of AppendValue, which say of
// each field what type it is of: who compares and hashes rows needs no definition. It does not
// say what the fields are called.

// IsRow says whether values of a type are rows of a composite type.
func (t Type) IsRow() bool { return t.kind() == kRow }

// MaxRowDepth is how deep composite types may be nested in each other: each may be in an array,
// and maxNesting bounds both.
const MaxRowDepth = maxNesting/2 - 1

// CheckRow returns an error, which wraps ErrCorrupt, if b is not a row of a composite type.
func CheckRow(t Type, b []byte) error {
	v, rest, err := DecodeValue(t, b)
	if _, ok := v.(Row); err == nil && (!ok || len(rest) > 0) {
		err = fmt.Errorf("%w: stored %v: %d bytes are no row", ErrCorrupt, t, len(b))
	}
	return err
}

func mustDecodeRow(t Type, b []byte) Row {
	v, _, err := DecodeValue(t, b)
	row, ok := v.(Row)
	if err != nil || !ok {
		panic("datum: bug: a row that nobody checked")
	}
	return row
}

// FieldOf returns a field of a row of a composite type in memory, nil if the row does not have as many.
// The fields behind it are not read.
func FieldOf(b []byte, field int) Value {
	d := storedReader{src: b}
	d.bytes(1)
	n := d.count(uint64(len(d.src)))
	if field >= n {
		return nil
	}
	var v Value
	for range field + 1 {
		v = d.value(d.fieldType(), 1)
	}
	if d.failed != "" {
		panic("datum: bug: a row that nobody checked")
	}
	return v
}

// Named returns a row of a composite type with the names of its fields.
func (r Row) Named(t Type, env *Env) Row {
	if env == nil || env.Types == nil || !t.IsRow() {
		return r
	}
	attrs, err := env.Types.Attributes(t.OID)
	if err != nil {
		return r
	}
	r.Names = make([]string, len(attrs))
	for i, a := range attrs {
		r.Names[i] = a.Name
	}
	return r
}

// NewRow returns a row of a composite type without values.
func NewRow(attrs []Attribute) Row {
	r := Row{Types: make([]Type, len(attrs)), Values: make([]Value, len(attrs)), Names: make([]string, len(attrs))}
	for i, a := range attrs {
		r.Types[i], r.Names[i] = a.Type, a.Name
	}
	return r
}

// appendStoredRow writes a row where no types are known, as definitions keep values
// (schema.Column.Missing); parseStoredRow reads that.
func appendStoredRow(dst []byte, t Type, v Row) []byte {
	return hex.AppendEncode(dst, AppendValue(nil, t, v))
}

func parseStoredRow(t Type, s string) (Value, error) {
	b, err := hex.DecodeString(s)
	if err == nil {
		err = CheckRow(t, b)
	}
	if err != nil {
		return nil, pgerr.New(pgerr.InvalidText, "malformed stored row: %v", err)
	}
	return mustDecodeRow(t, b), nil
}

// parseRow is record_in for a composite type.
func parseRow(t Type, s string, env *Env, depth int) (Value, error) {
	if env.Types == nil {
		return parseStoredRow(t, s)
	}
	if depth > maxNesting {
		return nil, rowsTooDeep()
	}
	attrs, err := env.Types.Attributes(t.OID)
	if err != nil {
		return nil, err
	}
	row := NewRow(attrs)
	row.Names = nil
	p := rowParser{src: s}
	if p.blanks(); !p.accept('(') {
		return nil, p.malformed("Missing left parenthesis.")
	}
	for i, a := range attrs {
		if i > 0 && !p.accept(',') {
			return nil, p.malformed("Too few columns.")
		}
		if c := p.at(); c == ',' || c == ')' {
			continue // NULL
		}
		text, ok := p.field()
		if !ok {
			return nil, p.malformed("Unexpected end of input.")
		}
		if row.Values[i], err = parseField(a.Type, text, env, depth); err != nil {
			return nil, err
		}
	}
	if !p.accept(')') {
		return nil, p.malformed("Too many columns.")
	}
	if p.blanks(); p.pos < len(p.src) {
		return nil, p.malformed("Junk after right parenthesis.")
	}
	return row, nil
}

func parseField(t Type, s string, env *Env, depth int) (Value, error) {
	v, err := parse(t, s, env, depth+1)
	if err != nil {
		return nil, err
	}
	return Coerce(t, v, false)
}

func rowsTooDeep() error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "composite types are nested too deep")
}

// A rowParser reads the text of a row.
type rowParser struct {
	src string
	pos int
}

func (p *rowParser) malformed(detail string) error {
	return pgerr.New(pgerr.InvalidText, `malformed record literal: "%s"`, p.src).WithDetail("%s", detail)
}

func (p *rowParser) blanks() {
	for p.pos < len(p.src) && isSpace(p.src[p.pos]) {
		p.pos++
	}
}

// at returns the next byte, 0 at the end (values hold no NUL).
func (p *rowParser) at() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *rowParser) accept(c byte) bool {
	if p.at() != c {
		return false
	}
	p.pos++
	return true
}

// field reads up to the comma or parenthesis behind a field; ok is false if there is none.
func (p *rowParser) field() (text string, ok bool) {
	var b strings.Builder
	for quoted := false; quoted || p.at() != ',' && p.at() != ')'; {
		c := p.at()
		if c == 0 {
			return "", false
		}
		p.pos++
		switch {
		case c == '\\':
			if c = p.at(); c == 0 {
				return "", false
			}
			p.pos++
			b.WriteByte(c)
		case c != '"':
			b.WriteByte(c)
		case quoted && p.accept('"'):
			b.WriteByte('"')
		default:
			quoted = !quoted
		}
	}
	return b.String(), true
}

// parseRowBinary is record_recv for a composite type.
func parseRowBinary(t Type, b []byte, env *Env, depth int) (Value, error) {
	env = env.orDefault()
	if env.Types == nil {
		return nil, pgerr.Unsupported("rows of type %v cannot be read without its definition", t)
	}
	if depth > maxNesting {
		return nil, rowsTooDeep()
	}
	attrs, err := env.Types.Attributes(t.OID)
	if err != nil {
		return nil, err
	}
	if len(b) < 4 {
		return nil, shortMessage()
	}
	if n := int32(binary.BigEndian.Uint32(b)); int(n) != len(attrs) {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "wrong number of columns: %d, expected %d", n, len(attrs))
	}
	b = b[4:]
	row := NewRow(attrs)
	row.Names = nil
	for i, a := range attrs {
		if len(b) < 8 {
			return nil, shortMessage()
		}
		if oid := OID(binary.BigEndian.Uint32(b)); oid != a.Type.OID {
			return nil, pgerr.New(pgerr.DatatypeMismatch, "binary data has type %d (%s) instead of expected %d (%s) in record column %d",
				oid, env.TypeText(Of(oid)), a.Type.OID, env.TypeText(Of(a.Type.OID)), i+1)
		}
		field, rest, null, err := cutField(b[4:])
		if err != nil {
			return nil, badBinary("insufficient data left in message")
		}
		b = rest
		if null {
			continue
		}
		if row.Values[i], err = parseBinary(a.Type, field, env, depth+1); err == nil {
			row.Values[i], err = Coerce(a.Type, row.Values[i], false)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(b) != 0 {
		return nil, badBinary("incorrect binary data format")
	}
	return row, nil
}
