package jsonpath

import "strconv"

// priority says which operators bind tighter.
func (op Op) priority() int {
	switch op {
	case Or:
		return 0
	case And:
		return 1
	case Equal, NotEqual, Less, Greater, LessOrEqual, GreaterOrEqual, StartsWith:
		return 2
	case Add, Sub:
		return 3
	case Mul, Div, Mod:
		return 4
	case Plus, Minus:
		return 5
	}
	return 6
}

// Append appends the canonical text of a path. quote appends a string as JSON writes it.
func (p *Path) Append(dst []byte, quote func([]byte, string) []byte) []byte {
	if p.Strict {
		dst = append(dst, "strict "...)
	}
	w := &writer{dst, quote}
	w.item(p.Root, false, true)
	return w.dst
}

type writer struct {
	dst   []byte
	quote func([]byte, string) []byte
}

func (w *writer) put(s string) { w.dst = append(w.dst, s...) }

func (w *writer) text(s string) { w.dst = w.quote(w.dst, s) }

// operand writes an operand, in parentheses if it binds no tighter.
func (w *writer) operand(it, of *Item) { w.item(it, false, it.Op.priority() <= of.Op.priority()) }

// item writes an item and those after it; step says that it follows another.
func (w *writer) item(it *Item, step, brackets bool) {
	for ; it != nil; it, step, brackets = it.Next, true, true {
		w.one(it, step, brackets)
	}
}

func (w *writer) one(it *Item, step, brackets bool) {
	switch it.Op {
	case Null:
		w.put("null")
	case String:
		w.text(it.Text)
	case Number:
		w.around(it.Next != nil, func() { w.put(it.Text) })
	case Bool:
		w.put(strconv.FormatBool(it.Bool))
	case Variable:
		w.put("$")
		w.text(it.Text)
	case Root:
		w.put("$")
	case Current:
		w.put("@")
	case Last:
		w.put("last")
	case Key:
		w.dot(step)
		w.text(it.Text)
	case AnyKey:
		w.dot(step)
		w.put("*")
	case Any:
		w.dot(step)
		w.levels(it.First, it.Last)
	case AnyElement:
		w.put("[*]")
	case Index:
		w.subscripts(it.Ranges)
	case Filter:
		w.put("?(")
		w.item(it.Left, false, false)
		w.put(")")
	case Not:
		w.put("!(")
		w.item(it.Left, false, false)
		w.put(")")
	case IsUnknown:
		w.put("(")
		w.item(it.Left, false, false)
		w.put(") is unknown")
	case Exists:
		w.put("exists (")
		w.item(it.Left, false, false)
		w.put(")")
	case Plus, Minus:
		w.around(brackets, func() {
			w.put(it.Op.String())
			w.operand(it.Left, it)
		})
	case LikeRegex:
		w.around(brackets, func() { w.likeRegex(it) })
	case Datetime:
		w.put(".datetime(")
		if it.HasTemplate {
			w.text(it.Text)
		}
		w.put(")")
	case Type, Size, Abs, Floor, Ceiling, Double, KeyValue:
		w.put("." + it.Op.String() + "()")
	default:
		w.around(brackets, func() {
			w.operand(it.Left, it)
			w.put(" " + it.Op.String() + " ")
			w.operand(it.Right, it)
		})
	}
}

func (w *writer) around(brackets bool, f func()) {
	if brackets {
		w.put("(")
	}
	f()
	if brackets {
		w.put(")")
	}
}

func (w *writer) dot(step bool) {
	if step {
		w.put(".")
	}
}

func (w *writer) levels(first, last uint32) {
	w.put("**")
	if first == 0 && last == Deepest {
		return
	}
	w.put("{" + levelText(first))
	if first != last {
		w.put(" to " + levelText(last))
	}
	w.put("}")
}

func levelText(n uint32) string {
	if n == Deepest {
		return "last"
	}
	return strconv.FormatUint(uint64(n), 10)
}

func (w *writer) subscripts(ranges []Range) {
	w.put("[")
	for i, r := range ranges {
		if i > 0 {
			w.put(",")
		}
		w.item(r.From, false, false)
		if r.To != nil {
			w.put(" to ")
			w.item(r.To, false, false)
		}
	}
	w.put("]")
}

func (w *writer) likeRegex(it *Item) {
	w.operand(it.Left, it)
	w.put(" like_regex ")
	w.text(it.Text)
	f, letters := it.Flags, ""
	for _, flag := range []struct {
		set    bool
		letter string
	}{{f.Fold, "i"}, {f.DotAll, "s"}, {f.Lines, "m"}, {f.Expanded, "x"}, {f.Literal, "q"}} {
		if flag.set {
			letters += flag.letter
		}
	}
	if letters != "" {
		w.put(` flag "` + letters + `"`)
	}
}
