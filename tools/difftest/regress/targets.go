package regress

import (
	"slices"

	"github.com/phyllodb/phyllo/tools/difftest/psqlscript"
)

// kinds of objects as they are named after CREATE, ALTER and DROP.
var kinds = []string{"table", "view", "index", "sequence", "type", "domain", "schema", "function", "procedure", "aggregate", "operator",
	"trigger", "rule", "routine", "language"}

// between stand between the kind of an object and its name, or before its kind.
var between = []string{"or", "replace", "temp", "temporary", "unlogged", "global", "local", "recursive", "materialized", "unique", "constraint",
	"trusted", "procedural", "event", "foreign", "if", "not", "exists", "only", "concurrently", "class", "family"}

// targets are the names of what a statement creates or changes, functions with a bracket
// behind them; created says that it creates them.
func targets(tokens []psqlscript.Token) (names []string, created bool) {
	r := &reader{tokens: tokens}
	switch first := r.next().Text; first {
	case "create", "alter", "drop", "comment":
		return r.definition(), first == "create"
	case "insert", "merge":
		r.skip("into")
		return []string{r.name()}, false
	case "update", "truncate", "prepare", "declare":
		r.skip("table", "only")
		return []string{r.name()}, false
	case "delete":
		r.skip("from", "only")
		return []string{r.name()}, false
	case "copy":
		return []string{r.name()}, false
	case "select", "with":
		return r.into(), false
	}
	return nil, false
}

type reader struct {
	tokens []psqlscript.Token
	i      int
}

func (r *reader) next() psqlscript.Token {
	if r.i >= len(r.tokens) {
		return psqlscript.Token{}
	}
	r.i++
	return r.tokens[r.i-1]
}

func (r *reader) peek() string {
	if r.i >= len(r.tokens) {
		return ""
	}
	return r.tokens[r.i].Text
}

func (r *reader) skip(words ...string) {
	for slices.Contains(words, r.peek()) {
		r.i++
	}
}

// name reads the last part of a name.
func (r *reader) name() string {
	t := r.next()
	for r.peek() == "." {
		r.i++
		t = r.next()
	}
	return t.Text
}

func (r *reader) definition() []string {
	r.skip("on")
	r.skip(between...)
	kind := r.next().Text
	if !slices.Contains(kinds, kind) {
		return nil
	}
	r.skip(between...)
	var names []string
	for {
		name := r.name()
		if slices.Contains([]string{"function", "procedure", "aggregate", "routine"}, kind) {
			name += "("
		}
		names = append(names, name)
		if r.peek() != "," {
			break
		}
		r.i++
	}
	return append(names, r.related(kind)...)
}

// related are the tables that a definition bears on besides the one it names: parents, and
// those of triggers and rules.
func (r *reader) related(kind string) []string {
	var names []string
	for r.i < len(r.tokens) {
		switch word := r.next().Text; {
		case word == "inherits" && r.peek() == "(":
			for r.i++; r.i < len(r.tokens) && r.peek() != ")"; r.skip(",") {
				names = append(names, r.name())
			}
		case word == "inherit", word == "of" && kind == "table":
			names = append(names, r.name())
		case word == "on" && kind == "trigger", word == "to" && kind == "rule":
			r.skip("only")
			return append(names, r.name())
		case word == "attach" && r.peek() == "partition":
			r.i++
			names = append(names, r.name())
		}
	}
	return names
}

// into is the table of SELECT INTO, and those that WITH changes.
func (r *reader) into() []string {
	var names []string
	for r.i < len(r.tokens) {
		switch r.next().Text {
		case "into":
			r.skip("temp", "temporary", "table", "unlogged")
			names = append(names, r.name())
		case "update":
			names = append(names, r.name())
		case "delete":
			r.skip("from", "only")
			names = append(names, r.name())
		}
	}
	return names
}
