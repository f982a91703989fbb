package function

import (
	"math"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpath"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// This file evaluates SQL/JSON paths. A path is walked item by item: each gives the values that it
// finds to what comes after it, so that what only asks whether there is a value stops at the first.

// A pathItem is a value that a path comes by: JSON, or a date or time, which JSON has not.
type pathItem struct {
	*datum.JSONValue
	at *pathTime // nil: JSON
}

// A pathFault is an error that predicates take as unknown and silent calls as no result.
type pathFault struct{ error }

func (f pathFault) Unwrap() error { return f.error }

func pathError(code, format string, args ...any) error {
	return pathFault{pgerr.New(code, format, args...)}
}

// asFault makes an error of a computation one that may be suppressed.
func asFault(err error) error {
	if err == nil {
		return nil
	}
	return pathFault{err}
}

func isFault(err error) bool {
	_, ok := err.(pathFault)
	return ok
}

// A truth is what a predicate says.
type truth uint8

const (
	isFalse truth = iota
	isTrue
	isUnknown
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// maxPathItems bounds the values that a path comes by: subscripts like [0,0] double them at each step.
const maxPathItems = 1 << 24

// A pathRun is the evaluation of a path over one document.
type pathRun struct {
	c       *Context
	lax     bool
	zones   bool // the session's time zone may be used
	root    *datum.JSONValue
	vars    *datum.JSONValue
	regexes map[*jsonpath.Item]*regex

	current  pathItem
	size     int  // of the innermost array that is subscripted
	tolerant bool // errors of structure are ignored
	base     pathBase
	objects  int64 // the number of the next object that keyvalue makes
	steps    int
	depth    int // of calls of item
}

// maxPathCalls bounds the stack that a path takes, of which each step is a call.
const maxPathCalls = 4 * jsonpath.MaxDepth

// A sink takes the values that are found; more is false if no other is wanted. exists says that
// it asks whether there is one, and so does not care for what it is nor that it can be had.
type sink struct {
	take   func(pathItem) (more bool, err error)
	exists bool
}

// run gives the values of a path to out.
func (r *pathRun) run(p *jsonpath.Path, out sink) error {
	r.lax, r.tolerant = !p.Strict, !p.Strict
	r.current = pathItem{JSONValue: r.root}
	r.base = pathBase{root: r.root}
	r.objects = 1
	if r.vars != nil {
		r.objects = 2
	}
	_, err := r.item(p.Root, r.current, r.lax, out)
	return err
}

// all collects values.
func (r *pathRun) all(list *[]pathItem) sink {
	return sink{take: func(v pathItem) (bool, error) {
		if len(*list) >= maxPathItems {
			return false, pgerr.New(pgerr.ProgramLimitExceeded, "jsonpath finds more than %d items", maxPathItems)
		}
		*list = append(*list, v)
		return true, nil
	}}
}

// next gives a value to the item after it, or out.
func (r *pathRun) next(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	if it.Next == nil {
		return out.take(v)
	}
	return r.item(it.Next, v, r.lax, out)
}

// item evaluates an item, and those after it, for a value; unwrap says that the elements of an
// array are taken in its place where the item is of no use to an array.
func (r *pathRun) item(it *jsonpath.Item, v pathItem, unwrap bool, out sink) (bool, error) {
	const between = 1024
	if r.steps++; r.steps%between == 0 && r.c.Err() != nil {
		return false, canceled(r.c)
	}
	if r.depth++; r.depth > maxPathCalls {
		return false, pgerr.New(pgerr.StatementTooComplex, "stack depth limit exceeded")
	}
	defer func() { r.depth-- }()
	if it.Op.Predicate() {
		t, err := r.truth(it, v)
		if err != nil {
			return false, err
		}
		result := &datum.JSONValue{Kind: datum.KindBool, Bool: t == isTrue}
		if t == isUnknown {
			result.Kind = datum.KindNull
		}
		return r.next(it, pathItem{JSONValue: result}, out)
	}
	if unwrap && v.is(datum.KindArray) && unwraps(it.Op) {
		return r.elements(it, v, false, out)
	}
	switch it.Op {
	case jsonpath.Root:
		defer r.rebase(pathBase{root: r.root})()
		return r.next(it, pathItem{JSONValue: r.root}, out)
	case jsonpath.Current:
		return r.next(it, r.current, out)
	case jsonpath.Null, jsonpath.String, jsonpath.Number, jsonpath.Bool:
		return r.next(it, pathItem{JSONValue: literal(it)}, out)
	case jsonpath.Variable:
		value, err := r.variable(it.Text)
		if err != nil {
			return false, err
		}
		defer r.rebase(pathBase{root: r.vars, id: 1})()
		return r.next(it, pathItem{JSONValue: value}, out)
	case jsonpath.Last:
		return r.next(it, numberItem(datum.DecimalFromInt(int64(r.size-1))), out)
	case jsonpath.Key:
		return r.member(it, v, out)
	case jsonpath.AnyKey:
		if !v.is(datum.KindObject) {
			return true, r.structural(pgerr.JSONObjectNotFound, "jsonpath wildcard member accessor can only be applied to an object")
		}
		return r.elements(it.Next, v, r.lax, out)
	case jsonpath.AnyElement:
		switch {
		case v.is(datum.KindArray):
			return r.elements(it.Next, v, r.lax, out)
		case r.lax:
			return r.next(it, v, out)
		}
		return true, r.structural(pgerr.JSONArrayNotFound, "jsonpath wildcard array accessor can only be applied to an array")
	case jsonpath.Any:
		return r.levels(it, v, out)
	case jsonpath.Index:
		return r.subscripts(it, v, out)
	case jsonpath.Filter:
		t, err := r.nested(it.Left, v)
		if err != nil || t != isTrue {
			return true, err
		}
		return r.next(it, v, out)
	case jsonpath.Add, jsonpath.Sub, jsonpath.Mul, jsonpath.Div, jsonpath.Mod:
		return r.binary(it, v, out)
	case jsonpath.Plus, jsonpath.Minus:
		return r.unary(it, v, out)
	}
	return r.method(it, v, out)
}

// unwraps says of which operators lax mode applies to the elements of arrays.
func unwraps(op jsonpath.Op) bool {
	switch op {
	case jsonpath.Key, jsonpath.AnyKey, jsonpath.Filter, jsonpath.Abs, jsonpath.Floor, jsonpath.Ceiling, jsonpath.Double,
		jsonpath.Datetime, jsonpath.KeyValue:
		return true
	}
	return false
}

func (v pathItem) is(kind datum.JSONKind) bool { return v.at == nil && v.Kind == kind }

func literal(it *jsonpath.Item) *datum.JSONValue {
	v := &datum.JSONValue{Text: it.Text, Bool: it.Bool}
	switch it.Op {
	case jsonpath.String:
		v.Kind = datum.KindString
	case jsonpath.Number:
		v.Kind = datum.KindNumber
	case jsonpath.Bool:
		v.Kind = datum.KindBool
	}
	return v
}

func numberItem(d datum.Decimal) pathItem {
	return pathItem{JSONValue: &datum.JSONValue{Kind: datum.KindNumber, Text: d.String()}}
}

func stringItem(s string) pathItem {
	return pathItem{JSONValue: &datum.JSONValue{Kind: datum.KindString, Text: s}}
}

// structural is an error that lax mode ignores.
func (r *pathRun) structural(code, format string, args ...any) error {
	if r.tolerant {
		return nil
	}
	return pathError(code, format, args...)
}

func (r *pathRun) variable(name string) (*datum.JSONValue, error) {
	if r.vars != nil {
		for i, k := range r.vars.Keys {
			if k == name {
				return &r.vars.Elems[i], nil
			}
		}
	}
	return nil, pgerr.New(pgerr.UndefinedObject, "could not find jsonpath variable \"%s\"", name)
}

func (r *pathRun) member(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	if !v.is(datum.KindObject) {
		return true, r.structural(pgerr.JSONMemberNotFound, "jsonpath member accessor can only be applied to an object")
	}
	i, ok := v.FieldIndex(it.Text)
	if !ok {
		return true, r.structural(pgerr.JSONMemberNotFound, "JSON object does not contain key \"%s\"", it.Text)
	}
	return r.next(it, pathItem{JSONValue: &v.Elems[i]}, out)
}

// elements gives the parts of an object or array to an item, or out if that is nil.
func (r *pathRun) elements(it *jsonpath.Item, v pathItem, unwrap bool, out sink) (bool, error) {
	for i := range v.Elems {
		if more, err := r.part(it, pathItem{JSONValue: &v.Elems[i]}, unwrap, out); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (r *pathRun) part(it *jsonpath.Item, v pathItem, unwrap bool, out sink) (bool, error) {
	if it == nil {
		return out.take(v)
	}
	return r.item(it, v, unwrap, out)
}

// levels is .**, which never fails for the structure of what it finds.
func (r *pathRun) levels(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	defer func(was bool) { r.tolerant = was }(r.tolerant)
	if it.First == 0 {
		r.tolerant = true
		if more, err := r.next(it, v, out); err != nil || !more {
			return false, err
		}
	}
	r.tolerant = true
	if v.at != nil {
		return true, nil
	}
	return r.below(it, v.JSONValue, 1, out)
}

func (r *pathRun) below(it *jsonpath.Item, v *datum.JSONValue, level uint32, out sink) (bool, error) {
	if level > it.Last {
		return true, nil
	}
	for i := range v.Elems {
		e := &v.Elems[i]
		leaf := e.Kind < datum.KindArray
		if level >= it.First || it.First == jsonpath.Deepest && it.Last == jsonpath.Deepest && leaf {
			if more, err := r.part(it.Next, pathItem{JSONValue: e}, r.lax, out); err != nil || !more {
				return false, err
			}
		}
		if level < it.Last && !leaf {
			if more, err := r.below(it, e, level+1, out); err != nil || !more {
				return false, err
			}
		}
	}
	return true, nil
}

func (r *pathRun) subscripts(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	array := v.is(datum.KindArray)
	if !array && !r.lax {
		return true, r.structural(pgerr.JSONArrayNotFound, "jsonpath array accessor can only be applied to an array")
	}
	defer func(was int) { r.size = was }(r.size)
	size := 1
	if array {
		size = len(v.Elems)
	}
	for _, sub := range it.Ranges {
		r.size = size
		from, err := r.index(sub.From, v)
		if err != nil {
			return false, err
		}
		to := from
		if sub.To != nil {
			if to, err = r.index(sub.To, v); err != nil {
				return false, err
			}
		}
		if from < 0 || from > to || to >= size {
			if err := r.structural(pgerr.JSONSubscript, "jsonpath array subscript is out of bounds"); err != nil {
				return false, err
			}
		}
		for i := max(from, 0); i <= min(to, size-1); i++ {
			e := v
			if array {
				e = pathItem{JSONValue: &v.Elems[i]}
			}
			if more, err := r.next(it, e, out); err != nil || !more {
				return false, err
			}
		}
	}
	return true, nil
}

func (r *pathRun) index(it *jsonpath.Item, v pathItem) (int, error) {
	var found []pathItem
	if _, err := r.item(it, v, r.lax, r.all(&found)); err != nil {
		return 0, err
	}
	if len(found) != 1 || !found[0].is(datum.KindNumber) {
		return 0, pathError(pgerr.JSONSubscript, "jsonpath array subscript is not a single numeric value")
	}
	d := found[0].Number()
	d = d.Trunc(0)
	n, err := numericToInt[int32](d)
	if err != nil {
		return 0, pathError(pgerr.JSONSubscript, "jsonpath array subscript is out of integer range")
	}
	return int(n), nil
}

// operand collects the values of an operand; in lax mode arrays are replaced by their elements.
func (r *pathRun) operand(it *jsonpath.Item, v pathItem, unwrap bool) ([]pathItem, error) {
	var found []pathItem
	collect := r.all(&found)
	out := collect
	if unwrap && r.lax {
		out.take = func(v pathItem) (bool, error) {
			if v.is(datum.KindArray) {
				return r.elements(nil, v, false, collect)
			}
			return collect.take(v)
		}
	}
	_, err := r.item(it, v, r.lax, out)
	return found, err
}

func (r *pathRun) binary(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	left, err := r.operand(it.Left, v, true)
	if err != nil {
		return false, err
	}
	right, err := r.operand(it.Right, v, true)
	if err != nil {
		return false, err
	}
	if len(left) != 1 || !left[0].is(datum.KindNumber) {
		return false, pathError(pgerr.JSONNotSingleton, "left operand of jsonpath operator %s is not a single numeric value", it.Op)
	}
	if len(right) != 1 || !right[0].is(datum.KindNumber) {
		return false, pathError(pgerr.JSONNotSingleton, "right operand of jsonpath operator %s is not a single numeric value", it.Op)
	}
	f := map[jsonpath.Op]func(a, b datum.Decimal) (datum.Decimal, error){jsonpath.Add: addDecimal, jsonpath.Sub: subDecimal,
		jsonpath.Mul: mulDecimal, jsonpath.Div: divDecimal, jsonpath.Mod: modDecimal}[it.Op]
	d, err := f(left[0].Number(), right[0].Number())
	if err != nil {
		return false, asFault(err)
	}
	return r.next(it, numberItem(d), out)
}

func (r *pathRun) unary(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	values, err := r.operand(it.Left, v, true)
	if err != nil {
		return false, err
	}
	for _, value := range values {
		if !value.is(datum.KindNumber) && out.exists && it.Next == nil {
			continue
		}
		if !value.is(datum.KindNumber) {
			return false, pathError(pgerr.JSONNumberNotFound, "operand of unary jsonpath operator %s is not a numeric value", it.Op)
		}
		if it.Op == jsonpath.Minus {
			value = numberItem(negDecimal(value.Number()))
		}
		if more, err := r.next(it, value, out); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// method evaluates .type() and its like.
func (r *pathRun) method(it *jsonpath.Item, v pathItem, out sink) (bool, error) {
	switch it.Op {
	case jsonpath.Type:
		return r.next(it, stringItem(v.typeName()), out)
	case jsonpath.Size:
		size := 1
		if v.is(datum.KindArray) {
			size = len(v.Elems)
		} else if !r.lax {
			return true, r.structural(pgerr.JSONArrayNotFound, "jsonpath item method .size() can only be applied to an array")
		}
		return r.next(it, numberItem(datum.DecimalFromInt(int64(size))), out)
	case jsonpath.Double:
		d, err := v.double()
		if err != nil {
			return false, err
		}
		return r.next(it, d, out)
	case jsonpath.Datetime:
		t, err := r.datetime(it, v)
		if err != nil {
			return false, err
		}
		return r.next(it, pathItem{at: t}, out)
	case jsonpath.KeyValue:
		return r.keyValue(it, v, out)
	}
	if !v.is(datum.KindNumber) {
		return false, pathError(pgerr.JSONNotNumeric, "jsonpath item method .%s() can only be applied to a numeric value", it.Op)
	}
	d := v.Number()
	switch it.Op {
	case jsonpath.Abs:
		d.Neg = false
	case jsonpath.Floor:
		d = d.Floor()
	case jsonpath.Ceiling:
		d = d.Ceil()
	}
	return r.next(it, numberItem(d), out)
}

func (v pathItem) typeName() string {
	if v.at != nil {
		return v.at.t.String()
	}
	return jsonTypeNames[v.Kind]
}

func (v pathItem) double() (pathItem, error) {
	switch {
	case v.is(datum.KindNumber):
		d := v.Number()
		if _, err := numericToFloat8(d); err != nil {
			return v, pathError(pgerr.JSONNotNumeric, "numeric argument of jsonpath item method .double() is out of range for type double precision")
		}
		return v, nil
	case v.is(datum.KindString):
		parsed, err := datum.Parse(datum.Of(datum.Float8), v.Text, nil)
		f, _ := parsed.(float64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return v, pathError(pgerr.JSONNotNumeric, "string argument of jsonpath item method .double() is not a valid representation of a double precision number")
		}
		d, err := floatToNumeric(f, 15)
		return numberItem(d), asFault(err)
	}
	return v, pathError(pgerr.JSONNotNumeric, "jsonpath item method .double() can only be applied to a string or numeric value")
}

// nested evaluates a predicate for a value that is @ in it.
func (r *pathRun) nested(it *jsonpath.Item, v pathItem) (truth, error) {
	defer func(was pathItem) { r.current = was }(r.current)
	r.current = v
	return r.truth(it, v)
}

// truth evaluates a predicate.
func (r *pathRun) truth(it *jsonpath.Item, v pathItem) (truth, error) {
	switch it.Op {
	case jsonpath.And, jsonpath.Or:
		decides, other := isFalse, isTrue
		if it.Op == jsonpath.Or {
			decides, other = isTrue, isFalse
		}
		left, err := r.truth(it.Left, v)
		if err != nil || left == decides {
			return left, err
		}
		right, err := r.truth(it.Right, v)
		if right == other {
			return left, err
		}
		return right, err
	case jsonpath.Not:
		t, err := r.truth(it.Left, v)
		if t != isUnknown {
			t = truthOf(t == isFalse)
		}
		return t, err
	case jsonpath.IsUnknown:
		t, err := r.truth(it.Left, v)
		return truthOf(t == isUnknown), err
	case jsonpath.Exists:
		return r.exists(it, v)
	case jsonpath.StartsWith:
		return r.predicate(it, v, false, func(a, b pathItem) (truth, error) {
			if !a.is(datum.KindString) || !b.is(datum.KindString) {
				return isUnknown, nil
			}
			return truthOf(strings.HasPrefix(a.Text, b.Text)), nil
		})
	case jsonpath.LikeRegex:
		re := r.regexes[it]
		return r.predicate(it, v, false, func(a, _ pathItem) (truth, error) {
			if !a.is(datum.KindString) {
				return isUnknown, nil
			}
			found, err := re.matches(r.c, a.Text)
			return truthOf(found), err
		})
	}
	return r.predicate(it, v, true, func(a, b pathItem) (truth, error) { return r.compare(it.Op, a, b) })
}

// exists asks for a value; in strict mode all are looked for, as one of them may fail.
func (r *pathRun) exists(it *jsonpath.Item, v pathItem) (truth, error) {
	found := false
	_, err := r.item(it.Left, v, r.lax, sink{exists: r.lax, take: func(pathItem) (bool, error) {
		found = true
		return !r.lax, nil
	}})
	if isFault(err) {
		return isUnknown, nil
	}
	return truthOf(found), err
}

// predicate asks about each pair of the operands' values. Lax mode ends at the first that is true,
// strict mode at the first that is unknown.
func (r *pathRun) predicate(it *jsonpath.Item, v pathItem, unwrapRight bool, f func(a, b pathItem) (truth, error)) (truth, error) {
	left, err := r.operand(it.Left, v, true)
	if isFault(err) {
		return isUnknown, nil
	} else if err != nil {
		return isUnknown, err
	}
	right := []pathItem{{}}
	if it.Right != nil {
		right, err = r.operand(it.Right, v, unwrapRight)
		if isFault(err) {
			return isUnknown, nil
		} else if err != nil {
			return isUnknown, err
		}
	}
	found, unknown := false, false
	for _, a := range left {
		if r.c.Err() != nil {
			return isUnknown, canceled(r.c)
		}
		for _, b := range right {
			t, err := f(a, b)
			switch {
			case err != nil:
				return isUnknown, err
			case t == isUnknown && !r.lax, t == isTrue && r.lax:
				return t, nil
			}
			found = found || t == isTrue
			unknown = unknown || t == isUnknown
		}
	}
	switch {
	case found:
		return isTrue, nil
	case unknown:
		return isUnknown, nil
	}
	return isFalse, nil
}

// compare compares scalars of one kind.
func (r *pathRun) compare(op jsonpath.Op, a, b pathItem) (truth, error) {
	var order int
	switch {
	case a.at != nil && b.at != nil:
		c, comparable, err := r.compareTimes(a.at, b.at)
		if err != nil || !comparable {
			return isUnknown, err
		}
		order = c
	case a.is(datum.KindNull) != b.is(datum.KindNull):
		return truthOf(op == jsonpath.NotEqual), nil
	case a.at != nil || b.at != nil || a.Kind != b.Kind || a.Kind >= datum.KindArray:
		return isUnknown, nil
	default:
		order = a.Compare(b.JSONValue)
	}
	switch op {
	case jsonpath.Equal:
		return truthOf(order == 0), nil
	case jsonpath.NotEqual:
		return truthOf(order != 0), nil
	case jsonpath.Less:
		return truthOf(order < 0), nil
	case jsonpath.Greater:
		return truthOf(order > 0), nil
	case jsonpath.LessOrEqual:
		return truthOf(order <= 0), nil
	}
	return truthOf(order >= 0), nil
}
