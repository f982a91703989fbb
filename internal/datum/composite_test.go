package datum

import (
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// rowTypes are definitions of composite types.
type rowTypes struct {
	UserTypes
	attrs map[OID][]Attribute
}

func (r rowTypes) Attributes(t OID) ([]Attribute, error) {
	if a, ok := r.attrs[t]; ok {
		return a, nil
	}
	return nil, pgerr.New(pgerr.UndefinedObject, "no type %d", t)
}

func (r rowTypes) TypeName(OID) string { return "row" }

func testRows() (inner, outer Type, env *Env) {
	inner, outer = Of(UserType(CompositeClass, 20001)), Of(UserType(CompositeClass, 20002))
	list, _ := ArrayOf(inner)
	return inner, outer, &Env{ExtraFloatDigits: 1, Types: rowTypes{attrs: map[OID][]Attribute{
		inner.OID: {{"a", Of(Int4)}, {"b", Of(Text)}},
		outer.OID: {{"i", inner}, {"l", list}, {"n", Type{OID: Numeric, Mod: 5<<16 | 2 + 4}}},
	}}}
}

var rowTexts = []string{`("(1,""a b"")","{""(2,)"",NULL}",1.50)`, `(,,)`, `("(,)",{},0.00)`, `(,"{""(1,\\""\\\\\\\\\\"")""}",)`}

func TestRowText(t *testing.T) {
	_, outer, env := testRows()
	for _, s := range rowTexts {
		v, err := Parse(outer, s, env)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if got := string(AppendText(nil, outer, v, env)); got != s {
			t.Errorf("%s came back as %s", s, got)
		}
		b := AppendBinary(nil, outer, v, env)
		back, err := ParseBinary(outer, b, env)
		if err != nil || Compare(outer, v, back) != 0 {
			t.Errorf("%s: in binary %v, %v", s, back, err)
		}
		for n := range b {
			if _, err := ParseBinary(outer, b[:n], env); err == nil {
				t.Errorf("%s: %d of %d bytes were taken", s, n, len(b))
			}
		}
		stored := string(AppendText(nil, outer, v, &Env{})) // who knows no types keeps it so
		if back, err := Parse(outer, stored, &Env{}); err != nil || Compare(outer, v, back) != 0 {
			t.Errorf("%s: kept as %s: %v, %v", s, stored, back, err)
		}
	}
}

func TestRowArrays(t *testing.T) {
	_, outer, env := testRows()
	b := array.NewBuilder(memory.DefaultAllocator, outer.Arrow())
	defer b.Release()
	var rows []Value
	for _, s := range rowTexts {
		v, err := Parse(outer, s, env)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, v)
		Append(b, outer, v)
	}
	a := b.NewArray().(*array.Binary)
	defer a.Release()
	for i, v := range rows {
		row := v.(Row)
		if got := ValueAt(outer, a, i); Compare(outer, got, v) != 0 {
			t.Errorf("row %d came back as %v", i, got)
		}
		if err := CheckRow(outer, a.Value(i)); err != nil {
			t.Error(err)
		}
		for f, want := range row.Values {
			if got := FieldOf(a.Value(i), f); (got == nil) != (want == nil) || got != nil && Compare(row.Types[f], got, want) != 0 {
				t.Errorf("field %d of row %d is %v, not %v", f, i, got, want)
			}
		}
		if FieldOf(a.Value(i), len(row.Values)) != nil {
			t.Error("a row has a field too many")
		}
		for j, w := range rows {
			equal := Compare(outer, v, w) == 0
			if equal != (CompareAt(outer, a, i, a, j) == 0) || equal != (HashValue(outer, v, 1) == Hash(outer, a, j, 1)) {
				t.Errorf("rows %d and %d: they are not compared and hashed alike", i, j)
			}
		}
	}
	for n := range a.Value(0) {
		if err := CheckRow(outer, a.Value(0)[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestEqualRows: rows are equal where their fields are, whatever bytes they lie in.
func TestEqualRows(t *testing.T) {
	row := Of(UserType(CompositeClass, 20003))
	env := &Env{Types: rowTypes{attrs: map[OID][]Attribute{row.OID: {{"n", Of(Numeric)}}}}}
	a, _ := Parse(row, "(1.0)", env)
	b, _ := Parse(row, "(1.00)", env)
	if Compare(row, a, b) != 0 || HashValue(row, a, 7) != HashValue(row, b, 7) {
		t.Error("1.0 and 1.00 make different rows")
	}
	if string(AppendValueKey(nil, row, a, KeyOrder{})) != string(AppendValueKey(nil, row, b, KeyOrder{})) {
		t.Error("they have different keys")
	}
}

func TestMalformedRows(t *testing.T) {
	inner, _, env := testRows()
	for s, detail := range map[string]string{
		"":        "Missing left parenthesis.",
		"1,2)":    "Missing left parenthesis.",
		"(1)":     "Too few columns.",
		"(1,2,3)": "Too many columns.",
		"(1,2":    "Unexpected end of input.",
		`(1,"2)`:  "Unexpected end of input.",
		`(1,\`:    "Unexpected end of input.",
		"(1,2) x": "Junk after right parenthesis.",
	} {
		_, err := Parse(inner, s, env)
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != pgerr.InvalidText || e.Detail != detail {
			t.Errorf("%q: %v", s, err)
		}
	}
}
