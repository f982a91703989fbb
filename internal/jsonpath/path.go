// Package jsonpath reads and writes PostgreSQL's type jsonpath, the path language of SQL/JSON. A
// value of the type is kept as its canonical text, which Parse reads again; who evaluates paths
// walks the Items of a Path.
package jsonpath

import "math"

// An Op says what an item of a path does.
type Op uint8

const (
	Null Op = iota
	String
	Number
	Bool
	Variable
	Root    // $
	Current // @
	Last
	Key
	AnyKey     // .*
	Any        // .**
	AnyElement // [*]
	Index      // [from to to, ...]
	Filter
	Or
	And
	Not
	IsUnknown
	Equal
	NotEqual
	Less
	Greater
	LessOrEqual
	GreaterOrEqual
	StartsWith
	LikeRegex
	Exists
	Add
	Sub
	Mul
	Div
	Mod
	Plus
	Minus
	Type
	Size
	Abs
	Floor
	Ceiling
	Double
	Datetime
	KeyValue
)

// opNames are the operators as they are written, and the methods' names.
var opNames = [...]string{
	Or: "||", And: "&&", Equal: "==", NotEqual: "!=", Less: "<", Greater: ">", LessOrEqual: "<=", GreaterOrEqual: ">=",
	StartsWith: "starts with", LikeRegex: "like_regex", Add: "+", Sub: "-", Mul: "*", Div: "/", Mod: "%", Plus: "+", Minus: "-",
	Type: "type", Size: "size", Abs: "abs", Floor: "floor", Ceiling: "ceiling", Double: "double", Datetime: "datetime", KeyValue: "keyvalue",
}

// String is the operator as it is written in a path, or the name of the method.
func (op Op) String() string { return opNames[op] }

// Predicate says that an item is true, false or unknown.
func (op Op) Predicate() bool { return op >= Or && op <= Exists }

// Deepest is the bound of .** that is called last.
const Deepest uint32 = math.MaxUint32

// An Item is a step of a path, or an operator with its operands. Items are not changed once parsed.
type Item struct {
	Op   Op
	Next *Item // the step after it
	// Text is a string, a number in numeric's text form, or the name of a key or a variable; the
	// pattern of LikeRegex; the template of Datetime if HasTemplate.
	Text        string
	Bool        bool
	HasTemplate bool
	First, Last uint32  // levels of Any
	Left, Right *Item   // operands; an only one is Left
	Ranges      []Range // of Index
	Flags       RegexFlags
}

// A Range is a subscript; To is nil for a single one.
type Range struct{ From, To *Item }

// RegexFlags are the flags of like_regex.
type RegexFlags struct {
	Fold     bool // i
	DotAll   bool // s
	Lines    bool // m
	Expanded bool // x
	Literal  bool // q
}

// A Path is a parsed path. It is immutable.
type Path struct {
	Strict bool
	Root   *Item
}

// Walk calls f for all items of a path.
func (p *Path) Walk(f func(*Item) error) error { return p.Root.walk(f) }

func (it *Item) walk(f func(*Item) error) error {
	for ; it != nil; it = it.Next {
		if err := f(it); err != nil {
			return err
		}
		if err := it.Left.walk(f); err != nil {
			return err
		}
		if err := it.Right.walk(f); err != nil {
			return err
		}
		for _, r := range it.Ranges {
			if err := r.From.walk(f); err != nil {
				return err
			}
			if err := r.To.walk(f); err != nil {
				return err
			}
		}
	}
	return nil
}
