package function

import (
	"io"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// jsonRecords are the functions that make rows of objects: their columns are those of a column
// definition list, or of the record that they are given.
func jsonRecords(k kernels) {
	for _, prefix := range []string{"json", "jsonb"} {
		for name, set := range map[string]bool{"_to_record": false, "_to_recordset": true, "_populate_record": false, "_populate_recordset": true} {
			p := populator{name: prefix + name, based: strings.Contains(name, "populate"), set: set}
			k.addRecord(p)
		}
	}
}

// addRecord sets the implementation of a function that returns records.
func (k kernels) addRecord(p populator) {
	impl := kernel{record: p.defined}
	if p.set {
		impl.set = p.rows
	} else {
		impl.eval = p.record
	}
	k[p.name] = impl
}

// A populator is one of these functions.
type populator struct {
	name  string
	based bool // the first argument is a record that says what is not given
	set   bool
}

// undefined is the error of a call without a column definition list: what the record of a row is
// made of is known to no plan.
func (p populator) undefined(noRecord bool) error {
	switch {
	case p.based && noRecord:
		return pgerr.Unsupported("could not determine row type for result of %s", p.name).
			WithHint("Provide a non-null record argument, or call the function in the FROM clause using a column definition list.")
	case p.based:
		return pgerr.Unsupported("function %s is not supported without a column definition list", p.name)
	}
	return pgerr.Unsupported("function returning record called in context that cannot accept type record").
		WithHint("Try calling the function in the FROM clause using a column definition list.")
}

// record is a call of a function of one row outside of FROM.
func (p populator) record(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	if !p.based && anyNull(args) {
		return allNull(c.Mem, ret, n), nil
	}
	if p.based && args[0].T.IsRow() {
		return boxedTyped(func(c *Context, v []datum.Value, types []datum.Type, _ datum.Type) (datum.Value, error) {
			return p.populate(c, types[0], v[0], v[1])
		})(c, args, n, ret)
	}
	return nil, p.undefined(anyNull(args[:1]))
}

// populate makes a row of a composite type of a document; what it does not give, base has.
func (p populator) populate(c *Context, t datum.Type, base, doc datum.Value) (datum.Value, error) {
	if doc == nil {
		return base, nil
	}
	row, err := rowOver(c, t, base)
	if err != nil {
		return nil, err
	}
	return p.fill(c, row, doc.(string))
}

// rowOver is a row of a composite type with its names: base, or one of NULLs.
func rowOver(c *Context, t datum.Type, base datum.Value) (datum.Row, error) {
	attrs, err := c.Env.Types.Attributes(t.OID)
	if err != nil {
		return datum.Row{}, err
	}
	row := datum.NewRow(attrs)
	if b, ok := base.(datum.Row); ok {
		copy(row.Values, b.Values)
	}
	return row, nil
}

// rows is a call of a function of several.
func (p populator) rows(c *Context, args []datum.Value, types []datum.Type, _ datum.Type) (SetResult, error) {
	if !p.based || !types[0].IsRow() {
		return nil, p.undefined(args[0] == nil)
	}
	cols, err := rowOver(c, types[0], args[0])
	if err != nil {
		return nil, err
	}
	set, err := p.all(c, cols, args[1])
	if err != nil {
		return nil, err
	}
	return rowsFunc(func() ([]datum.Value, error) {
		values, err := set.Next()
		if err != nil {
			return nil, err
		}
		row := cols
		row.Values = values
		return []datum.Value{row}, nil
	}), nil
}

// defined is a call with a column definition list.
func (p populator) defined(c *Context, args []datum.Value, cols datum.Row) (SetResult, error) {
	doc := args[0]
	cols.Values = make([]datum.Value, len(cols.Types))
	if p.based {
		doc = args[1]
		if base, ok := args[0].(datum.Row); ok {
			if err := sameShape(base, cols); err != nil {
				return nil, err
			}
			cols.Values = base.Values
		}
	}
	return p.all(c, cols, doc)
}

// sameShape refuses a record that is not of the columns.
func sameShape(base, cols datum.Row) error {
	const mismatch = "function return row and query-specified return row do not match"
	if len(base.Types) != len(cols.Types) {
		return pgerr.New(pgerr.DatatypeMismatch, mismatch).
			WithDetail("Returned row contains %d attribute%s, but query expects %d.", len(base.Types), plural(len(base.Types)), len(cols.Types))
	}
	for i, t := range base.Types {
		if t.OID != cols.Types[i].OID {
			return pgerr.New(pgerr.DatatypeMismatch, mismatch).
				WithDetail("Returned type %s at ordinal position %d, but query expects %s.", t, i+1, cols.Types[i])
		}
	}
	return nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// all makes the rows of a document: one, or one for each element.
func (p populator) all(c *Context, cols datum.Row, doc datum.Value) (SetResult, error) {
	if doc == nil && p.set {
		return rowsFunc(func() ([]datum.Value, error) { return nil, io.EOF }), nil
	}
	docs := []string{""}
	if doc != nil {
		docs[0] = trimJSON(doc.(string))
		if p.set {
			var err error
			if docs, err = p.objects(docs[0]); err != nil {
				return nil, err
			}
		}
	}
	return rowsFunc(func() ([]datum.Value, error) {
		if len(docs) == 0 {
			return nil, io.EOF
		}
		doc := docs[0]
		docs = docs[1:]
		row := cols
		if doc != "" {
			v, err := p.fill(c, cols, doc)
			if err != nil {
				return nil, err
			}
			row = v.(datum.Row)
		}
		return row.Values, nil
	}), nil
}

// objects are the elements of an array, which must be objects.
func (p populator) objects(doc string) (list []string, err error) {
	kind := jsonKind(doc)
	switch {
	case kind == datum.KindArray:
	case jsonb(p.name):
		return nil, badJSONCall("cannot call %s on a non-array", p.name)
	case kind == datum.KindObject:
		return nil, badJSONCall("cannot call %s on an object", p.name)
	default:
		return nil, badJSONCall("cannot call %s on a scalar", p.name)
	}
	eachJSON(doc, func(_, v string) bool {
		if v[0] != '{' {
			err = badJSONCall("argument of %s must be an array of objects", p.name)
		}
		list = append(list, v)
		return err == nil
	})
	return list, err
}

// fill makes a row of an object: what it has not, the record has.
func (p populator) fill(c *Context, cols datum.Row, doc string) (datum.Value, error) {
	doc = trimJSON(doc)
	switch jsonKind(doc) {
	case datum.KindObject:
	case datum.KindArray:
		return nil, badJSONCall("cannot call populate_composite on an array")
	default:
		return nil, badJSONCall("cannot call populate_composite on a scalar")
	}
	row := datum.Row{Types: cols.Types, Names: cols.Names, Values: make([]datum.Value, len(cols.Types))}
	copy(row.Values, cols.Values)
	for i, t := range cols.Types {
		value, ok, err := jsonField(doc, cols.Name(i))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if row.Values[i], err = fromJSON(c, t, value, cols.Name(i), row.Values[i]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// fromJSON makes a value of a type of JSON, by its text; arrays become arrays, and objects rows over what was
// there before, old.
func fromJSON(c *Context, t datum.Type, value, key string, old datum.Value) (datum.Value, error) {
	kind := jsonKind(value)
	if t.OID == datum.JSON || t.OID == datum.JSONB {
		return ParseText(c, t, value)
	}
	if kind == datum.KindNull {
		return nil, nil
	}
	elem, array := t.Elem()
	if array && kind != datum.KindString {
		if kind != datum.KindArray {
			return nil, pgerr.New(pgerr.InvalidText, "expected JSON array").WithHint("See the value of key \"%s\".", key)
		}
		return arrayFromJSON(c, elem, value, key)
	}
	if t.IsRow() && kind != datum.KindString {
		return populator{}.populate(c, t, old, value)
	}
	text, _, err := asText(value)
	if err != nil {
		return nil, err
	}
	return ParseText(c, t, text)
}

func arrayFromJSON(c *Context, elem datum.Type, value, key string) (datum.Value, error) {
	p := arrayPopulator{c: c, elem: elem, key: key, deepest: -1}
	if err := p.level(value, 0); err != nil {
		return nil, err
	}
	dims := make([]datum.Dim, max(p.deepest, 0))
	for i := range dims {
		dims[i] = datum.Dim{Len: int32(p.lengths[i]), Lower: 1}
	}
	if n, err := datum.CheckDims(dims); err != nil || n == 0 {
		return datum.Array{Elem: elem}, err
	}
	return datum.NewArrayOf(elem, p.values, dims), nil
}

// An arrayPopulator makes an array of nested JSON arrays. The first that has anything but arrays in it
// says how many dimensions there are.
type arrayPopulator struct {
	c       *Context
	elem    datum.Type
	key     string
	values  []datum.Value
	deepest int // dimensions; -1: not known yet
	lengths [datum.MaxDimensions]int
	path    []int // where in value we are
}

func (p *arrayPopulator) level(value string, depth int) (err error) {
	if depth >= datum.MaxDimensions {
		return datum.TooManyDimensions(depth + 1)
	}
	n := 0
	p.path = append(p.path, 0)
	eachJSON(value, func(_, v string) bool {
		p.path[depth] = n
		nested := v[0] == '[' && (p.deepest < 0 || depth+1 < p.deepest)
		switch {
		case nested:
			err = p.level(v, depth+1)
		case p.deepest < 0:
			p.deepest = depth + 1
			fallthrough
		case depth+1 == p.deepest:
			var e datum.Value
			e, err = fromJSON(p.c, p.elem, v, p.key, nil)
			p.values = append(p.values, e)
		default:
			err = p.expectedArray()
		}
		n++
		return err == nil
	})
	p.path = p.path[:depth]
	if err != nil {
		return err
	}
	if p.deepest < 0 {
		p.deepest = depth + 1 // of empty arrays
	}
	if last := p.lengths[depth]; last != 0 && last != n || last == 0 && n == 0 && depth > 0 && p.deepest > depth && len(p.values) > 0 {
		return pgerr.New(pgerr.InvalidText, "malformed JSON array").
			WithDetail("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	p.lengths[depth] = n
	return nil
}

func (p *arrayPopulator) expectedArray() error {
	err := pgerr.New(pgerr.InvalidText, "expected JSON array")
	indices := ""
	for _, i := range p.path {
		indices += "[" + strconv.Itoa(i) + "]"
	}
	if p.key == "" {
		return err.WithHint("See the array element %s.", indices)
	}
	return err.WithHint("See the array element %s of key \"%s\".", indices, p.key)
}
